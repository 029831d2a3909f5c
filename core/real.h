/* core/real.h - the number type of the networks: double, or float where UB_SINGLE is defined.
 *
 * The build compiles the files that work on ub_real twice (CMakeLists.txt: ub_core_single); the
 * second time every external name of theirs ends in _single, by the list below.  Files compiled
 * once (the trainer, the model, everything outside core) see the double names; the trainer reaches
 * the others through core/internal/learner.h alone.  A descriptor of a registry is defined as
 * UB_REAL_NAME(ub_penalty_mask).
 *
 * Layer: core.
 */
#ifndef UB_CORE_REAL_H
#define UB_CORE_REAL_H

#ifdef UB_SINGLE

typedef float ub_real;
#define UB_REAL_NAME(name) name##_single
#define ub_real_gemm cblas_sgemm
#define ub_real_sqrt sqrtf

#define ub_dense_backward ub_dense_backward_single
#define ub_dense_below ub_dense_below_single
#define ub_dense_forward ub_dense_forward_single
#define ub_dense_gradient ub_dense_gradient_single
#define ub_dense_unact ub_dense_unact_single
#define ub_hidden_activation ub_hidden_activation_single
#define ub_standardise ub_standardise_single

#define ub_vector_elu ub_vector_elu_single
#define ub_vector_exp ub_vector_exp_single
#define ub_vector_normal ub_vector_normal_single
#define ub_vector_tanh ub_vector_tanh_single

#define ub_heads_jacobians ub_heads_jacobians_single
#define ub_heads_pull ub_heads_pull_single
#define ub_heads_strength ub_heads_strength_single
#define ub_penalty_at ub_penalty_at_single

#define ub_objective_back ub_objective_back_single
#define ub_objective_batch ub_objective_batch_single
#define ub_objective_fold ub_objective_fold_single
#define ub_objective_forward ub_objective_forward_single
#define ub_objective_gradient ub_objective_gradient_single
#define ub_objective_init ub_objective_init_single
#define ub_objective_join ub_objective_join_single
#define ub_objective_mu ub_objective_mu_single
#define ub_objective_pass ub_objective_pass_single
#define ub_objective_release ub_objective_release_single
#define ub_objective_start ub_objective_start_single
#define ub_objective_strength ub_objective_strength_single

#define ub_adam_update ub_adam_update_single
#define ub_optimizer_at ub_optimizer_at_single

#define ub_sampler_episodes ub_sampler_episodes_single
#define ub_sampler_held ub_sampler_held_single
#define ub_sampler_init ub_sampler_init_single
#define ub_sampler_release ub_sampler_release_single
#define ub_sampler_train ub_sampler_train_single

#else

typedef double ub_real;
#define UB_REAL_NAME(name) name
#define ub_real_gemm cblas_dgemm
#define ub_real_sqrt sqrt

#endif

#endif /* UB_CORE_REAL_H */
