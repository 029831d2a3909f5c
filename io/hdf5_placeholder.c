typedef int ub_io_begins_here;
