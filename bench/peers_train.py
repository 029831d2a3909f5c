"""peers_train.py BENCH_TRAIN: the training step of stage 2, ours and PyTorch's, in turns.

The same network, batch, loss and optimiser on the same samples, float32, one thread, CPU time of
the process a step.  The PyTorch side is what a competent user writes: everything on the device as
tensors before the clock starts, one matrix product a layer, the Jacobian of a head with one hidden
tanh layer in closed form, both heads of a batch stacked, Adam fused; each of eager mode and
torch.compile is measured (`na` with the reason on standard error where it does not work) and the
faster is the peer.  The objective after as many steps is printed for both sides: about the same
number shows the same work.
"""

import os
import statistics
import subprocess
import sys
import time

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[library + "_NUM_THREADS"] = "1"

DIM, TARGETS, LATENTS, TASKS, BATCH, JACOBIAN = 12, 8, 6, 2, 256, 64
BETA, LAMBDA, GROUP, SHARDS = 0.01, 0.2, 1.0, 8


def make_step(torch, width, compiled):
    """A function that makes one step on a batch and returns the objective."""
    nn = torch.nn
    torch.manual_seed(1)
    leaky = lambda: nn.LeakyReLU(0.01)
    encoder = nn.Sequential(nn.Linear(DIM, width), leaky(), nn.Linear(width, width), leaky(),
                            nn.Linear(width, 2 * LATENTS))
    decoder = nn.Sequential(nn.Linear(LATENTS, width), leaky(), nn.Linear(width, width), leaky(),
                            nn.Linear(width, DIM))
    hidden, out = width // 2, TARGETS // TASKS
    # The heads' first layers are one matrix product, the second ones a batched one.
    first = nn.Linear(LATENTS, TASKS * hidden)
    second = nn.Parameter(torch.randn(TASKS, out, hidden) * (2 / (hidden + out)) ** 0.5)
    second_bias = nn.Parameter(torch.zeros(TASKS, out, 1))
    parameters = [*encoder.parameters(), *decoder.parameters(), *first.parameters(), second,
                  second_bias]
    adam = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def loss_of(x, g, weight):
        mu, v = encoder(x).chunk(2, 1)
        sd = torch.exp(0.5 * v)
        z = mu + sd * torch.randn_like(sd)
        reconstruction = (decoder(z) - x).square().mean()
        kl = 0.5 * (mu * mu + sd * sd - 1 - v).sum() / BATCH
        a = torch.tanh(first(z)).view(BATCH, TASKS, hidden)
        answer = torch.baddbmm(second_bias, second, a.permute(1, 2, 0))  # tasks, out, rows
        task = (answer.reshape(TARGETS, BATCH) - g).square().sum() / BATCH
        d = 1 - a[:JACOBIAN].square()
        w1 = first.weight.view(TASKS, hidden, LATENTS)
        j = torch.matmul(d.transpose(0, 1).unsqueeze(2) * second.unsqueeze(1), w1.unsqueeze(1))
        # The group term is a mean over the shards of the batch, as ours is.
        squares = j.square().view(TASKS, SHARDS, JACOBIAN // SHARDS, out, LATENTS).sum((0, 2, 3))
        group = (squares / (JACOBIAN // SHARDS) + 1e-6).sqrt().sum() / SHARDS
        penalty = j.abs().sum() / JACOBIAN + GROUP * group
        return reconstruction + BETA * kl + task + weight * penalty

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def step(x, g, weight):
        loss = loss_of(x, g, weight)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return loss.detach()

    return step


class Training:
    """Steps over the samples; ramp of lambda as ours with 1000 epochs planned."""

    def __init__(self, torch, samples, width, compiled):
        self.torch, self.at, self.sum = torch, 0, 0.0
        self.step = make_step(torch, width, compiled)
        self.x = samples[:, :DIM].contiguous()
        self.g = samples[:, DIM:].contiguous()
        self.epoch = len(samples) // BATCH
        self.ramp = 0.2 * 1000 * self.epoch

    def run(self, steps):
        """CPU milliseconds a step."""
        start = time.process_time()
        for _ in range(steps):
            k = self.at % self.epoch
            if k == 0:
                self.order = self.torch.randperm(len(self.x))
                self.objective, self.sum = self.sum / self.epoch, 0.0
            rows = self.order[k * BATCH : (k + 1) * BATCH]
            weight = LAMBDA * min(1.0, self.at / self.ramp)
            self.sum += self.step(self.x[rows], self.g[rows].t(), weight)
            self.at += 1
        return 1e3 * (time.process_time() - start) / steps


def say(key, value):
    print(f"{key}={value:.5g}", flush=True)


def ours(program, width, steps):
    """What our program prints, as numbers."""
    done = subprocess.run([program, "steps", str(width), str(steps)], check=True,
                          capture_output=True, text=True)
    return {k: float(v) for k, v in (line.split("=") for line in done.stdout.split())}


def compare(torch, samples, program, size, width, steps, rounds):
    trainings = {}
    for name, compiled in (("eager", False), ("compiled", True)):
        try:
            trainings[name] = Training(torch, samples, width, compiled)
            trainings[name].run(20)
        except Exception as reason:
            trainings.pop(name)
            print(f"peers_train.py: {name}: {reason}", file=sys.stderr)
            print(f"pytorch_{name}_{size}_ms=na", flush=True)
    times, mine = {name: [] for name in trainings}, []
    for _ in range(rounds):
        mine.append(ours(program, width, steps))
        for name, training in trainings.items():
            times[name].append(training.run(steps))
    say(f"unbraid_{size}_ms", statistics.median(m["step_ms"] for m in mine))
    say(f"unbraid_objective_{size}", mine[-1]["objective"])
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, ms in medians.items():
        say(f"pytorch_{name}_{size}_ms", ms)
    say(f"pytorch_{size}_ms", min(medians.values()))


def main():
    import numpy as np
    import torch

    torch.set_num_threads(1)
    program = sys.argv[1]
    path = os.path.join(os.path.dirname(program), "train.bin")
    subprocess.run([program, "data", path], check=True)
    table = np.fromfile(path).reshape(-1, DIM + TARGETS).astype(np.float32)
    samples = torch.from_numpy(table)
    print(f"pytorch_version={torch.__version__}", flush=True)
    compare(torch, samples, program, "paper", 64, 700, 7)
    compare(torch, samples, program, "wide", 640, 35, 7)


if __name__ == "__main__":
    main()
