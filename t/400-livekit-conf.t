# convo_livekit and convo_livekit_webhook: what the configuration takes and
# what it refuses, with a message that says what was expected.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;

our $Files = {
    good     => ">>> good\n" . 'x' x 32 . "\n",
    two      => ">>> two\n" . 'x' x 32 . "\n" . 'y' x 512 . "\n",
    short    => ">>> short\nonly-31-characters-long-as-it-i\n",
    longer   => ">>> longer\n" . 'x' x 513 . "\n",
    blank    => ">>> blank\n" . 'x' x 20 . ' ' . 'x' x 20 . "\n",
    three    => ">>> three\n" . ('x' x 32 . "\n") x 3,
    huge     => ">>> huge\n" . ("\n" x 4096),
    none     => ">>> none\n\n\n",
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('user_files', join '', values %$Files);
    $block->set_value('request', 'GET /t') if !defined $block->request;
    if (!defined $block->must_die && !defined $block->response_body) {
        $block->set_value('response_body', "fine\n");
    }
    $block->set_value('suppress_stderr', '') if defined $block->must_die;
});

run_tests();

__DATA__

=== TEST 1: three parameters in any order are taken
--- config
    convo_livekit secret_file=$TEST_NGINX_HTML_DIR/good
                  url=wss://livekit.example.com:7880 key=API_key-1;
    location = /t { return 200 "fine\n"; }



=== TEST 2: every level is good, and the inner one counts
--- http_config
    convo_livekit url=ws://[::1] key=k secret_file=$TEST_NGINX_HTML_DIR/good;
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/two;
    location = /t {
        convo_livekit url=ws://c key=k
                      secret_file=$TEST_NGINX_HTML_DIR/good;
        return 200 "fine\n";
    }



=== TEST 3: a relative path begins at the main configuration file
--- config
    convo_livekit url=ws://b key=k secret_file=../html/good;
    location = /t { return 200 "fine\n"; }



=== TEST 4: twice in one place is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/good;
    convo_livekit url=ws://c key=k secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
"convo_livekit" directive is duplicate



=== TEST 5: a parameter too few is refused
--- config
    convo_livekit url=ws://b key=k;
--- must_die
--- error_log
invalid number of arguments in "convo_livekit" directive



=== TEST 6: a parameter twice is refused
--- config
    convo_livekit url=ws://b url=ws://c key=k;
--- must_die
--- error_log
"convo_livekit" has the parameter "url=ws://c" a second time



=== TEST 7: an unknown parameter is refused
--- config
    convo_livekit url=ws://b key=k secret=x;
--- must_die
--- error_log
"convo_livekit" has an invalid parameter "secret=x", expected "url=", "key=" and "secret_file="



=== TEST 8: a URL that no browser connects to is refused
--- config
    convo_livekit url=http://b key=k secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
"convo_livekit" has the url "http://b", expected "wss://HOST[:PORT]"



=== TEST 9: a URL without a host is refused
--- config
    convo_livekit url=wss:///rtc key=k secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
"convo_livekit" has the url "wss:///rtc", expected "wss://HOST[:PORT]" or "ws://HOST[:PORT]": this names no host



=== TEST 10: a URL with a quotation mark is refused
--- config
    convo_livekit 'url=wss://a"b' key=k
                  secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
expected "wss://HOST[:PORT]"



=== TEST 11: a key with a colon is refused
--- config
    convo_livekit url=ws://b key=devkey:secret
                  secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
"convo_livekit" has the key "devkey:secret", expected 1 to 128 letters, digits, "_" or "-"



=== TEST 12: an empty key is refused
--- config
    convo_livekit url=ws://b key= secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
has the key "", expected



=== TEST 13: no path is refused
--- config
    convo_livekit url=ws://b key=k secret_file=;
--- must_die
--- error_log
"convo_livekit" has no secret, expected "secret_file=PATH"



=== TEST 14: a file that is not there is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/nothing;
--- must_die
--- error_log
"convo_livekit": secret file
nothing" cannot be opened (2: No such file or directory)



=== TEST 15: a directory is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR;
--- must_die
--- error_log
cannot be read (21: Is a directory)



=== TEST 16: a secret shorter than its hash is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/short;
--- must_die
--- error_log
holds a secret that is too short, expected one secret of 32 to 512 characters on a line, at most two lines
--- no_error_log
only-31-characters



=== TEST 17: a secret that is too long is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/longer;
--- must_die
--- error_log
holds a secret that is too long



=== TEST 18: a blank inside of a secret is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/blank;
--- must_die
--- error_log
holds a secret with a character that is not printable ASCII



=== TEST 19: a third generation is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/three;
--- must_die
--- error_log
holds more than two secrets



=== TEST 20: an empty file is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/none;
--- must_die
--- error_log
holds no secret



=== TEST 21: a file of another kind, and long, is refused
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/huge;
--- must_die
--- error_log
holds a secret that is too long



=== TEST 22: a webhook without a LiveKit is refused
--- config
    location = /webhooks/livekit { convo_livekit_webhook; }
--- must_die
--- error_log
"convo_livekit_webhook" in location "/webhooks/livekit" needs "convo_livekit" there or around it



=== TEST 23: a webhook twice in one place is refused
--- config
    location = /w { convo_livekit_webhook; convo_livekit_webhook; }
--- must_die
--- error_log
"convo_livekit_webhook" directive is duplicate



=== TEST 24: a webhook outside of a location is refused
--- config
    convo_livekit_webhook;
--- must_die
--- error_log
"convo_livekit_webhook" directive is not allowed here



=== TEST 25: bodies that go to files are refused for a webhook
--- config
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/good;
    client_body_in_file_only clean;
    location = /w { convo_livekit_webhook; }
--- must_die
--- error_log
"convo_livekit_webhook" in location "/w" cannot work with "client_body_in_file_only", expected "off"



=== TEST 26: a URL with a port that there is not is refused
--- config
    convo_livekit url=wss://a:99999 key=k
                  secret_file=$TEST_NGINX_HTML_DIR/good;
--- must_die
--- error_log
this has no port from 1 to 65535 after its colon
