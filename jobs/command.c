typedef int ub_jobs_begin_here;
