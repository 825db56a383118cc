# The protocol as the gateway has it is the one that Temporal has published, and
# the JSON of its messages is what others write and read.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::RealBin/../../lib";

use PostgreSQL::Test::Utils;
use Test::More;

use TaskqSdk;

my $top = abs_path("$FindBin::RealBin/../../..");
my $transcoder = "$top/test/modules/gateway/build/transcoder";
my $descriptors = PostgreSQL::Test::Utils::tempdir() . '/descriptors';

plan(skip_all => 'the gateway is not built') unless -x $transcoder;
need_sdk('python');

my ($protoc) = grep { -x } map { "$_/protoc-c" } split /:/, $ENV{PATH};
my $standard = $protoc =~ s|/bin/protoc-c$|/include|r;

command_ok([ $protoc, "-I$top/src", "-I$standard", "-o$descriptors", '--include_imports', glob "$top/src/gateway/proto/*.proto" ],
	'the files are good ones');

my ($code, $out, $err) = sdk_run(120, 'python', 'compare_protos', $descriptors);
is($code, 0, 'what they say is published') or diag $out . $err;

($code, $out, $err) = sdk_run(300, 'python', 'compare_json', $transcoder, $descriptors);
is($code, 0, 'JSON is what it is for others') or diag $out . $err;

done_testing();
