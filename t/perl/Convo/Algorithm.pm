package Convo::Algorithm;

# Keys and tokens of every algorithm that signs tokens, for the suites: keys
# are made by the openssl command, once for each name and run, as those of
# Convo::Token are.
#
#   use Convo::Algorithm qw(jwk_of signed_by @ALGORITHMS);
#
#   jwk_of('ES256', 'name', %members)      the public key as JWK
#   signed_by('ES256', 'name', %claims)    an ID token, with its options

use v5.36;

use Exporter 'import';
use File::Temp ();

use Convo::Token ();

our @EXPORT_OK = qw(@ALGORITHMS jwk_of signed_by);
our @ALGORITHMS = qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512
    EdDSA);

my $dir = File::Temp->newdir('convo-keys-XXXXXX', TMPDIR => 1);
my %keys;

my %CURVES = (
    ES256 => [ 'P-256', 32 ], ES384 => [ 'P-384', 48 ],
    ES512 => [ 'P-521', 66 ],
);

# The path of the private key with this name, of the algorithm's kind.
sub private_key ($alg, $name) {
    return Convo::Token::private_key($name) if $alg =~ /^[RP]S/;

    my $curve = $CURVES{$alg};
    my $kind = $curve ? $curve->[0] : 'ed25519';

    return $keys{"$kind $name"} //= do {
        my $path = "$dir/$kind-$name.pem";
        Convo::Token::run('', 'openssl', 'genpkey', '-out', $path,
            '-algorithm', $curve
                ? ('EC', '-pkeyopt', "ec_paramgen_curve:$kind") : $kind);
        $path;
    };
}

# Its JWK with "alg" and the name as "kid"; members override, and undef
# leaves one out.
sub jwk_of ($alg, $name, %members) {
    return Convo::Token::jwk($name, alg => $alg, %members)
        if $alg =~ /^[RP]S/;

    my $der = Convo::Token::run('', 'openssl', 'pkey', '-in',
        private_key($alg, $name), '-pubout', '-outform', 'DER');
    my %jwk = (use => 'sig', alg => $alg, kid => $name);

    if (my $curve = $CURVES{$alg}) {
        my ($crv, $len) = @$curve;
        @jwk{qw(kty crv)} = ('EC', $crv);
        $jwk{x} = Convo::Token::base64url(substr $der, -2 * $len, $len);
        $jwk{y} = Convo::Token::base64url(substr $der, -$len);
    } else {
        @jwk{qw(kty crv)} = ('OKP', 'Ed25519');
        $jwk{x} = Convo::Token::base64url(substr $der, -32);
    }

    %jwk = (%jwk, %members);
    delete @jwk{ grep { !defined $jwk{$_} } keys %jwk };
    return \%jwk;
}

# The bytes of two INTEGERs in a SEQUENCE, each of this length.
sub raw_of ($der, $len) {
    my $rest = substr $der, $der =~ /^.\x81/s ? 3 : 2;
    my ($r, $s) = unpack 'x C/a x C/a', $rest;
    return join '', map { substr "\0" x $len . $_, -$len } $r, $s;
}

# The signature of these bytes.
sub signature ($alg, $name, $input) {
    my $key = private_key($alg, $name);

    if ($alg eq 'EdDSA') {
        my $file = File::Temp->new(DIR => $dir);
        print {$file} $input;
        close $file;
        return Convo::Token::run('', 'openssl', 'pkeyutl', '-sign', '-rawin',
            '-inkey', $key, '-in', "$file");
    }

    my $bytes = Convo::Token::run($input, 'openssl', 'dgst',
        '-sha' . substr($alg, 2), $alg =~ /^PS/
            ? qw(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)
            : (), '-sign', $key);

    return $CURVES{$alg} ? raw_of($bytes, $CURVES{$alg}[1]) : $bytes;
}

# An ID token; -alg and -kid, where given, are what its header says instead.
sub signed_by ($alg, $name, %claims) {
    return Convo::Token::id_token(-alg => $alg, -kid => $name, -sign => sub {
        my ($input) = @_;
        return Convo::Token::base64url(signature($alg, $name, $input));
    }, %claims);
}

1;
