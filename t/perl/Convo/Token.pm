package Convo::Token;

# Tokens for the suites, minted when a suite runs: RSA keys are made by the
# openssl command, once for each name and run, and sign what a test asks for.
# Core Perl and openssl only; nothing here is part of the product.
#
#   use lib 't/perl';
#   use Convo::Token qw(keys_file id_token access_token bearer);
#
# The claims of a token are those of a Cognito user pool, and a test changes
# what it is about: id_token(email_verified => \0), id_token(aud => undef)
# leaves the claim out. Options are given with a dash: -key, -kid, -alg,
# -header (a hash of further header members), -header_text and -payload (raw
# JSON texts), -sign (from header "." payload to the signature's text).

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();
use IPC::Open2 ();
use JSON::PP ();
use MIME::Base64 ();

our @EXPORT_OK = qw(
    $ISSUER $CLIENT
    access_token auth_config base64url bearer id_token jwk jwks keys_file
    sign token
);

our $ISSUER = 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A';
our $CLIENT = 'client-1';

my $dir = File::Temp->newdir('convo-keys-XXXXXX', TMPDIR => 1);
my $json = JSON::PP->new->canonical->utf8;
my %keys;

# base64url without padding (RFC 7515, section 2).
sub base64url {
    my ($bytes) = @_;
    my $text = MIME::Base64::encode_base64($bytes, '');

    $text =~ tr{+/}{-_};
    $text =~ s/=+\z//;

    return $text;
}

sub run {
    my ($input, @command) = @_;
    my $pid = IPC::Open2::open2(my $out, my $in, @command);

    binmode $_ for $in, $out;
    print {$in} $input;
    close $in;

    my $output = do { local $/; <$out> };
    waitpid $pid, 0;
    die "@command failed\n" if $?;

    return $output;
}

# The path of the private key with this name, made at its first use.
sub private_key {
    my ($name, $bits) = @_;

    return $keys{$name} //= do {
        my $path = "$dir/$name.pem";
        run('', 'openssl', 'genrsa', '-out', $path, $bits // 2048);
        $path;
    };
}

# The public key as JWK; further members override ("use", "alg", ...), and
# undef leaves one out.
sub jwk {
    my ($name, %members) = @_;
    my $bits = delete $members{-bits};
    my $modulus = run('', 'openssl', 'rsa', '-in', private_key($name, $bits),
        '-noout', '-modulus');
    my ($hex) = $modulus =~ /=([0-9A-F]+)/ or die "no modulus\n";

    my %jwk = (
        kty => 'RSA', use => 'sig', alg => 'RS256', kid => $name,
        e => 'AQAB', n => base64url(pack 'H*', $hex), %members,
    );
    delete @jwk{ grep { !defined $jwk{$_} } keys %jwk };

    return \%jwk;
}

# A JWK Set of the named keys (or of ready JWKs) as JSON text.
sub jwks {
    return $json->encode({ keys => [ map { ref $_ ? $_ : jwk($_) } @_ ] });
}

# The path of a file with that set; a text is written as it is.
sub keys_file {
    my ($file, @keys) = @_;
    my $path = "$dir/$file";
    my $text = @keys == 1 && !ref $keys[0] && $keys[0] =~ /^\W/
        ? $keys[0] : jwks(@keys);

    open my $out, '>', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";

    return $path;
}

# header "." payload with its RS256 signature.
sub sign {
    my ($input, $key) = @_;

    return $input . '.' . base64url(
        run($input, 'openssl', 'dgst', '-sha256', '-sign', private_key($key)));
}

# A token of these claims and options, and nothing else.
sub token {
    my (%claims) = @_;
    my %option = map { $_ => delete $claims{$_} } grep {/^-/} keys %claims;
    my $key = $option{-key} // 'pool';
    my %header = (alg => 'RS256', kid => $key, %{ $option{-header} // {} });

    $header{alg} = $option{-alg} if exists $option{-alg};
    $header{kid} = $option{-kid} if exists $option{-kid};

    for my $hash (\%claims, \%header) {
        delete @{$hash}{ grep { !defined $hash->{$_} } keys %$hash };
    }

    my $payload = $option{-payload} // $json->encode(\%claims);

    # As Cognito writes it: https:\/\/cognito-idp...
    $payload =~ s{/}{\\/}g unless defined $option{-payload};

    my $input = base64url($option{-header_text} // $json->encode(\%header))
        . '.' . base64url($payload);

    return $option{-sign} ? "$input." . $option{-sign}->($input)
                          : sign($input, $key);
}

# { "sub": "user-1", "iss": "https:\/\/cognito-idp...", "aud": "client-1",
#   "token_use": "id", "auth_time", "iat": now, "exp": now + 300,
#   "email": "ann@example.com", "email_verified": true,
#   "cognito:username": "ann", "cognito:groups": ["pool_Google"],
#   "identities": [{"providerName": "Google", ...}] }
sub id_token {
    my $now = time;

    return token(
        sub => 'user-1', iss => $ISSUER, aud => $CLIENT, token_use => 'id',
        auth_time => $now, iat => $now, exp => $now + 300,
        email => 'ann@example.com', email_verified => \1,
        'cognito:username' => 'ann', 'cognito:groups' => ['pool_Google'],
        origin_jti => 'origin-1', jti => 'jti-1',
        identities => [ {
            userId => '1', providerName => 'Google', providerType => 'Google',
            issuer => undef, primary => 'true', dateCreated => '1700000000000',
        } ],
        @_,
    );
}

# { "sub": "user-1", "iss": "https:\/\/cognito-idp...",
#   "client_id": "client-1", "token_use": "access", "scope": "openid",
#   "username": "ann", "iat": now, "exp": now + 300 }
sub access_token {
    my $now = time;

    return token(
        sub => 'user-1', iss => $ISSUER, client_id => $CLIENT,
        token_use => 'access', scope => 'openid', username => 'ann',
        version => 2, auth_time => $now, iat => $now, exp => $now + 300,
        origin_jti => 'origin-1', jti => 'jti-1', @_,
    );
}

# Directives for http {} under which the tokens above are good.
sub auth_config {
    my $keys = keys_file('pool.json', 'pool');

    return <<"EOC";
        large_client_header_buffers 4 32k;
        convo_auth_issuer $ISSUER;
        convo_auth_client $CLIENT;
        convo_auth_keys_file $keys;
EOC
}

# The header line that carries a token.
sub bearer {
    my ($token) = @_;

    return "Authorization: Bearer $token";
}

1;
