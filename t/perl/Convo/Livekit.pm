package Convo::Livekit;

# LiveKit's side of a webhook: events as it writes them and the token that
# signs them, made with nothing but core Perl, so that what the edge verifies
# was not made by the edge's own code.
#
#     use Convo::Livekit;
#
#     --- request eval
#     ::webhook(::joined('a'))
#     --- more_headers eval
#     ::signed(::joined('a'))
#
# $SECRET is the secret of the key $KEY; $POOL and $SID name the room.

use v5.36;

use Digest::SHA qw(hmac_sha256 hmac_sha384 sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url);

our $KEY    = 'APIconvotest';
our $SECRET = 'a-secret-for-tests-of-32-bytes-and-more';
our $POOL   = 'default';
our $SID    = 'abcdefghijklmnopqrstuvwx27';

# A time that is not now: the edge takes LiveKit's word for it.
our $AT = 1795334400;

my $json = JSON::PP->new->canonical->ascii;

sub import ($class) {
    my $caller = caller;
    no strict 'refs';
    *{"${caller}::$_"} = \&$_
        for qw(event finished joined json left signed token webhook);
    return;
}

# A text of JSON in which equal values have equal bytes.
sub json ($value) {
    return $json->encode($value);
}

# An event as text. Fields given replace the usual ones; undef takes one away.
sub event ($name, %field) {
    my %event = (
        event     => $name,
        id        => 'EV_1',
        createdAt => "$AT",
        room      => { sid => 'RM_1', name => "$POOL.$SID" },
        %field,
    );
    delete $event{$_} for grep { !defined $event{$_} } keys %event;
    return json(\%event);
}

sub participant ($side) {
    return {
        sid        => "PA_$side",
        identity   => "$SID-$side",
        state      => 'ACTIVE',
        joinedAt   => "$AT",
        joinedAtMs => "${AT}123",
    };
}

sub joined ($side, %field) {
    return event('participant_joined', participant => participant($side),
        %field);
}

sub left ($side, %field) {
    return event('participant_left', participant => participant($side),
        %field);
}

sub finished (%field) {
    return event('room_finished', %field);
}

# The request that brings a body.
sub webhook ($body) {
    return "POST /webhooks/livekit\n$body";
}

# A token for a body. OPTION: header and claims to replace (undef: without),
# the secret, or a whole signature.
sub token ($body, %option) {
    my %claims = (
        iss    => $KEY,
        nbf    => time - 1,
        exp    => time + 300,
        sha256 => encode_base64(sha256($body), ''),
        %{ $option{claims} // {} },
    );
    my %header = (alg => 'HS256', typ => 'JWT', %{ $option{header} // {} });
    for my $part (\%claims, \%header) {
        delete $part->{$_} for grep { !defined $part->{$_} } keys %$part;
    }
    my $text = join '.', map { encode_base64url(json($_)) }
        \%header, \%claims;
    my $hmac = ($header{alg} // '') eq 'HS384' ? \&hmac_sha384
                                               : \&hmac_sha256;
    my $signature = $option{signature}
        // encode_base64url($hmac->($text, $option{secret} // $SECRET));
    return "$text.$signature";
}

# The headers of a webhook with this body.
sub signed ($body, %option) {
    return 'Authorization: ' . ($option{scheme} // '')
        . token($body, %option) . "\r\n"
        . 'Content-Type: '
        . ($option{type} // 'application/webhook+json');
}

1;
