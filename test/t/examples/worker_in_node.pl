# The worker of docs/workers in Node: what it takes it finishes or hands back,
# whatever happens.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use TaskqByHand;

test_worker_in('node');
