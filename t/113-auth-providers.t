# convo_auth_provider and convo_auth_accept: several issuers in one location,
# each with its clients, keys and rules, which never mix.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw($ISSUER $CLIENT access_token bearer id_token jwk jwks
    keys_file token);
use Convo::Algorithm qw(jwk_of signed_by);
use Convo::Provider keys => { one => ['pool'], staff => ['staff'] };

our $Staff = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_B';
our $Third = 'https://accounts.example';

# Both key sets have a key that is called "pool", and both pools a user-1.
our %File = (
    customers => keys_file('customers.json', 'pool'),
    staff => keys_file('staff.json', jwk('staff', kid => 'pool'),
        jwk('staff-2')),
);

our $Providers = <<"EOC";
    large_client_header_buffers 4 32k;
    convo_auth_cache zone=tokens:1m;
    convo_auth_provider customers {
        convo_auth_issuer $ISSUER;
        convo_auth_client $CLIENT;
        convo_auth_keys_file $File{customers};
    }
    convo_auth_provider staff {
        convo_auth_issuer $Staff;
        convo_auth_client staff-app;
        convo_auth_keys_file $File{staff};
    }
EOC

our $Both = <<'EOC';
    location /t {
        convo_auth on;
        convo_auth_accept customers staff;
        return 200 "in $convo_user\n";
    }
    location /staff {
        convo_auth on;
        convo_auth_accept staff;
        return 200 "staff\n";
    }
EOC

sub customer { return bearer(id_token(@_)) }

sub staff {
    return bearer(id_token(-key => 'staff', -kid => 'pool', iss => $Staff,
        aud => 'staff-app', sub => 'user-2', @_));
}

# A block of this provider without the directive.
sub without {
    my ($directive) = @_;
    return $Providers =~ s/convo_auth_$directive [^;]+;//r;
}

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Providers) unless $block->http_config;
    $block->set_value('config', $Both) unless defined $block->config;
    return if $block->request;
    $block->set_value('must_die', '');
    $block->set_value('suppress_stderr', '');
});

run_tests();

__DATA__

=== TEST 1: tokens of each of two issuers are good in one location
--- request eval
[("GET /t") x 4]
--- more_headers eval
my @both = (::customer(), ::staff());
[@both, @both]
--- response_body eval
["in user-1\n", "in user-2\n", "in user-1\n", "in user-2\n"]



=== TEST 2: a key of one issuer signs nothing for the other, under one kid
--- request eval
[("GET /t") x 6]
--- more_headers eval
[::customer(), ::staff(), ::customer(-key => 'staff', -kid => 'pool'),
 ::staff(-key => 'pool', -kid => 'pool'), ::customer(-key => 'staff-2'),
 ::customer(-key => 'evil', -kid => 'pool')]
--- error_code eval
[200, 200, 401, 401, 401, 401]
--- response_body_like eval
[qr/in user-1/, qr/in user-2/, qr/signature is wrong/, qr/signature is wrong/,
 qr/key is not known/, qr/signature is wrong/]



=== TEST 3: a client of one issuer is none of the other
--- request eval
[("GET /t") x 2]
--- more_headers eval
[::customer(aud => 'staff-app'), ::staff(aud => $::CLIENT)]
--- error_code eval
[401, 401]
--- response_body_like eval
[(qr/made for another client/) x 2]



=== TEST 4: an issuer that is not accepted is refused, whatever it looks like
--- request eval
[("GET /t") x 9]
--- more_headers eval
[(map { ::customer(iss => $_) } $::Third, undef, '', 1, [$::ISSUER],
  { url => $::ISSUER }, "$::ISSUER/", substr($::ISSUER, 0, -1), uc $::ISSUER)]
--- error_code eval
[(401) x 9]
--- response_body_like eval
[(qr/of another issuer/) x 9]



=== TEST 5: claims that cannot be read are refused before any key is looked for
--- request eval
[("GET /t") x 3]
--- more_headers eval
[map { ::bearer(::token(-payload => $_)) } '[]', 'x',
 qq({"iss":"$::ISSUER","iss":"$::Staff"})]
--- error_code eval
[401, 401, 401]
--- response_body_like eval
[(qr/claims are not acceptable/) x 3]



=== TEST 6: a cached token is refused where its issuer is not accepted
--- request eval
["GET /t", "GET /t", "GET /staff", "GET /staff", "GET /t"]
--- more_headers eval
my ($customer, $staff) = (::customer(), ::staff());
[$customer, $staff, $customer, $staff, $customer]
--- error_code eval
[200, 200, 401, 200, 200]



=== TEST 7: a provider's own rules hold for its tokens, the location's for the rest
--- http_config eval
$::Providers =~ s/(convo_auth_client staff-app;)/$1
    convo_auth_token_use access; convo_auth_require username=ann;
    convo_auth_max_lifetime 10m;/r
--- config
    location /t {
        convo_auth on;
        convo_auth_accept customers staff;
        convo_auth_require email_verified=true;
        return 200 "in\n";
    }
--- request eval
[("GET /t") x 8]
--- more_headers eval
my @staff = (-key => 'staff', -kid => 'pool', iss => $::Staff,
    client_id => 'staff-app');
[::customer(), ::customer(email_verified => \0), ::staff(),
 ::bearer(::access_token(@staff)),
 ::bearer(::access_token(@staff, username => 'bob')),
 ::bearer(::access_token()), ::customer(exp => time + 3600),
 ::bearer(::access_token(@staff, exp => time + 3600))]
--- error_code eval
[200, 403, 401, 200, 403, 401, 200, 401]



=== TEST 8: a provider's algorithms are its own
--- http_config eval
my $file = ::keys_file('ec.json', ::jwk_of('ES256', 'pool', alg => undef));
$::Providers =~ s/(convo_auth_keys_file )\S+staff\.json;/$1$file;
    convo_auth_algorithms ES256;/r
--- request eval
[("GET /t") x 3]
--- more_headers eval
my @staff = (iss => $::Staff, aud => 'staff-app');
[::customer(), ::bearer(::signed_by('ES256', 'pool', @staff)),
 ::bearer(::signed_by('ES256', 'pool'))]
--- error_code eval
[200, 200, 401]



=== TEST 9: a host chooses its provider, whatever the token says
--- http_config eval
$::Providers . 'map $host $provider { a.example customers; b.example staff; }'
--- config
    location /t {
        convo_auth on;
        convo_auth_accept $provider;
        return 200 "in $convo_user\n";
    }
--- request eval
[map { "GET http://$_.example/t" } qw(a b a b c a)]
--- more_headers eval
my ($customer, $staff) = (::customer(), ::staff());
[$customer, $staff, $staff, $customer, $customer, $customer]
--- error_code eval
[200, 200, 401, 401, 401, 200]



=== TEST 10: a variable that names no provider lets nobody in, and says so
--- config
    location /t {
        convo_auth on;
        convo_auth_accept $arg_provider;
        return 200 "in\n";
    }
--- request
GET /t?provider=stuff
--- more_headers eval: ::customer()
--- error_code: 401
--- error_log
convo auth: no provider is called "stuff"



=== TEST 11: each provider's keys are fetched from its own place
--- http_config eval
my $text = $::Providers;
$text =~ s{convo_auth_keys_file \S+customers\.json}{convo_auth_keys_request /keys/one check=0};
$text =~ s{convo_auth_keys_file \S+staff\.json}{convo_auth_keys_request /keys/staff check=0};
$text
--- config eval
$::Both . <<'EOC'
    location /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT;
        subrequest_output_buffer_size 32k;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
EOC
--- request eval
["GET /provider/mode/one", "GET /t", "GET /provider/count", "GET /t",
 "GET /provider/count", "GET /t", "GET /provider/count", "GET /t"]
--- more_headers eval
["X: y", ::customer(), "X: y", ::staff(-kid => 'staff'), "X: y",
 ::customer(iss => $::Third), "X: y", ::customer(-key => 'staff')]
--- error_code eval
[200, 200, 200, 200, 200, 401, 200, 401]
--- response_body_like eval
[qr/one/, qr/user-1/, qr/^1$/, qr/user-2/, qr/^2$/, qr/issuer/, qr/^2$/,
 qr/key is not known/]



=== TEST 12: one provider without keys takes none of the others along
--- http_config eval
$::Providers =~ s{convo_auth_keys_file \S+staff\.json}{convo_auth_keys_request /keys/error}r
--- config eval
$::Both . 'location /keys { internal; return 500; }'
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[::customer(), ::staff()]
--- error_code eval
[200, 503]



=== TEST 13: what is accepted is inherited, and an issuer of its own replaces it
--- config eval
<<"EOC"
    convo_auth on;
    convo_auth_accept staff;
    location /t { return 200 "in\\n"; }
    location /customers { convo_auth_accept customers; return 200 "in\\n"; }
    location /own {
        convo_auth_issuer $::ISSUER;
        convo_auth_client $::CLIENT;
        convo_auth_keys_file $::File{customers};
        return 200 "in\\n";
    }
EOC
--- request eval
[map { ("GET /$_") x 2 } 't', 'customers', 'own']
--- more_headers eval
[(::customer(), ::staff()) x 3]
--- error_code eval
[401, 200, 200, 401, 200, 401]



=== TEST 14: the name of a provider is not empty
--- http_config
    convo_auth_provider "" { }
--- config
--- error_log
invalid value "" in "convo_auth_provider", expected a name without variables



=== TEST 15: a provider is said once
--- http_config eval
$::Providers . ($::Providers =~ s/^.*?(?=convo_auth_provider)//sr)
--- config
--- error_log
duplicate value "customers" in "convo_auth_provider", expected another name



=== TEST 16: a provider has an issuer
--- http_config eval: ::without('issuer')
--- config
--- error_log
"convo_auth_provider" "customers" needs "convo_auth_issuer"



=== TEST 17: a provider has clients
--- http_config eval: ::without('client')
--- config
--- error_log
"convo_auth_provider" "customers" needs "convo_auth_client"



=== TEST 18: a provider has keys
--- http_config eval: ::without('keys_file')
--- config
--- error_log
"convo_auth_provider" "customers" needs "convo_auth_keys_file" or "convo_auth_keys_request"



=== TEST 19: a provider switches nothing on
--- http_config
    convo_auth_provider customers { convo_auth on; }
--- config
--- error_log
"convo_auth" directive is not allowed here



=== TEST 20: a provider has no room for directives of others
--- http_config
    convo_auth_provider customers { root /; }
--- config
--- error_log
"root" directive is not allowed here



=== TEST 21: providers stand at the http level
--- config
    convo_auth_provider customers { }
--- error_log
"convo_auth_provider" directive is not allowed here



=== TEST 22: who is accepted is known
--- config
    location /t { convo_auth on; convo_auth_accept customers guests; }
--- error_log
no "convo_auth_provider" is called "guests", as "convo_auth_accept" says



=== TEST 23: by the issuer a token finds one provider
--- http_config eval
my ($block) = $::Providers =~ /convo_auth_provider customers (\{.*?\})/s;
"$::Providers convo_auth_provider twins $block"
--- config
    location /t { convo_auth on; convo_auth_accept customers staff twins; }
--- error_log
"convo_auth_accept" in location "/t" names "customers" and "twins", which have the same issuer



=== TEST 24: a variable goes alone
--- config
    location /t { convo_auth on; convo_auth_accept customers $host; }
--- error_log
invalid value "$host" in "convo_auth_accept", expected names of providers, or one variable



=== TEST 25: an issuer beside providers is refused
--- config
    location /t {
        convo_auth on;
        convo_auth_accept customers;
        convo_auth_issuer https://accounts.example;
    }
--- error_log
"convo_auth_accept" in location "/t" does not go with an issuer, clients or keys beside it



=== TEST 26: clients of nobody are refused
--- config
    convo_auth_accept customers;
    location /t { convo_auth on; convo_auth_client other; }
--- error_log
"convo_auth_accept" in location "/t" does not go with an issuer, clients or keys beside it



=== TEST 27: at the http level, too
--- http_config eval
$::Providers . 'convo_auth_accept staff; convo_auth_client other;'
--- config
    location /t { convo_auth on; }
--- error_log
does not go with an issuer, clients or keys beside it



=== TEST 28: what cannot hold for a provider's tokens is refused
--- http_config eval
$::Providers =~ s/(convo_auth_client staff-app;)/$1
    convo_auth_token_use access;/r
--- config
    location /t {
        convo_auth on;
        convo_auth_accept customers staff;
        convo_auth_require email_verified=true;
    }
--- error_log
"convo_auth_require email_verified" in location "/t" cannot hold for access tokens



=== TEST 29: a server's return is refused here as well
--- config
    convo_auth on;
    convo_auth_accept customers;
    return 200 "secret\n";
--- error_log
answers before "convo_auth on" is asked, expected it inside a location
