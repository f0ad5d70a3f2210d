<?php
/**
 * Tests of posse-mu-plugin.php against a posse that runs, with stand-ins for
 * WordPress and WCPOS. `go test ./services/posse -run PHP` starts one that takes
 * WCPOS's tokens and gives this script what it needs in the environment:
 *
 *     POSSE_URL, POSSE_KEY         a posse, behind something that counts requests
 *     POSSE_CONTROL                where it tells the counts, and plays dead
 *     POSSE_WCPOS_SECRET           what access tokens are signed with
 *     POSSE_WCPOS_REFRESH_SECRET   what refresh tokens are signed with
 *     POSSE_LOG                    a file for PHP's error log
 */

declare(strict_types=1);

use WCPOS\WooCommercePOS\Services\Auth;
use WCPOS\WooCommercePOS\Services\OldAuth;
use WCPOS\WooCommercePOS\Services\StrangeAuth;

require __DIR__ . '/check.php';
require __DIR__ . '/wordpress.php';

define('POSSE_URL', env('POSSE_URL'));
define('POSSE_KEY', env('POSSE_KEY'));
define('POSSE_POLICY', 'fail_closed');
require __DIR__ . '/../posse-mu-plugin.php';

Site::$users[42] = new WP_User(42, 'zoe', "Zoë \u{202E}<b>");

/** What posse was asked for since the last call, such as ["POST introspect" => 1]. */
function asked(): array
{
    return json_decode(file_get_contents(env('POSSE_CONTROL') . '/counts'), true);
}

function away(bool $is): void
{
    file_get_contents(env('POSSE_CONTROL') . ($is ? '/away' : '/back'));
}

/** Lets half a minute go by, so that the next request touches its session. */
function later(): void
{
    Site::$ahead += 31;
}

/**
 * One request to WordPress: WCPOS and the plugin are loaded anew. Under POSSE_POLICY
 * unless another one is named.
 */
function request(array $server = [], array $get = [], array $post = [], string $policy = POSSE_POLICY): Posse_WordPress
{
    $_SERVER = $server + ['REMOTE_ADDR' => '192.0.2.7', 'HTTP_USER_AGENT' => 'WCPOS/1.9.9 (ipad)'];
    $_GET = $get;
    $_POST = $post;
    $_REQUEST = $get + $post;
    Site::$hooks = [];
    Site::$user = 0;
    $plugin = new Posse_WordPress(POSSE_URL, POSSE_KEY, $policy, ['max_age' => 0, 'timeout' => 5]);
    add_filter('determine_current_user', static function ($user) {
        return empty($user) ? (wcpos_user() ?: $user) : $user;
    }, 20);
    add_filter('rest_authentication_errors', static function ($errors) {
        if (empty($errors) && wcpos_user() !== 0) {
            wp_set_current_user(wcpos_user());
            return true;
        }
        return $errors;
    }, 50);
    return $plugin;
}

/** Whom WCPOS honours the request's token for, 0 for nobody. */
function wcpos_user(): int
{
    $auth = new Auth();
    $claims = $auth->validate_token($auth->extract_token($auth->get_auth_header()));
    return is_wp_error($claims) ? 0 : (int) $claims->data->user->id;
}

/** What comes of a request: the user, and the status of the REST API. */
function outcome(): array
{
    $user = apply_filters('determine_current_user', Site::$cookie ?: false);
    wp_set_current_user((int) $user);
    $errors = apply_filters('rest_authentication_errors', null);
    $status = is_wp_error($errors) ? $errors->get_error_data()['status'] : 200;
    check($status === 200 || Site::$user === 0, 'who is refused is nobody');
    return [(int) $user, $status];
}

function with_token(string $token, string $policy = POSSE_POLICY): array
{
    request(['HTTP_AUTHORIZATION' => "Bearer $token"], [], [], $policy);
    return outcome();
}

/** Signs in at WCPOS. */
function wcpos_login(array $declared = ['platform' => 'ios', 'version' => '1.9.9', 'build' => '231']): array
{
    request([], [], $declared);
    return Auth::instance()->generate_token_pair(Site::$users[42]);
}

/** Renews at WCPOS, as its REST route does: returns the answer. */
function wcpos_refresh(string $refresh)
{
    request();
    return apply_filters('rest_request_after_callbacks', Auth::instance()->refresh_access_token($refresh), [], null);
}

/** A session as posse shows it to an administrator, once a condition holds. */
function shown(string $session, callable $condition): array
{
    static $admin = null;
    if ($admin === null) {
        $login = (new Posse(POSSE_URL, POSSE_KEY, 'fail_closed'))->login(['user' => 'root', 'roles' => ['admin']]);
        $admin = $login['body']['tokens']['access_token'];
    }
    $found = [];
    eventually("session $session is as it should be", static function () use ($session, $condition, $admin, &$found) {
        $context = stream_context_create(['http' => ['header' => "Authorization: Bearer $admin", 'ignore_errors' => true]]);
        $found = json_decode(file_get_contents(POSSE_URL . "/v1/sessions/$session", false, $context), true);
        return isset($found['state']) && $condition($found);
    });
    asked();
    return $found;
}

function is_active(array $session): bool
{
    return $session['state'] === 'active';
}

function has_ended(array $session): bool
{
    return $session['state'] === 'ended';
}

/** Somebody terminates a session in posse. */
function terminate(string $session): void
{
    same(true, (new Posse(POSSE_URL, POSSE_KEY, 'fail_closed'))->end($session)['ok'], 'terminate');
}

/** Terminates a session, and waits until its tokens are worth nothing. */
function ended_in_posse(array $login): void
{
    terminate($login['session']);
    $posse = new Posse(POSSE_URL, POSSE_KEY, 'fail_closed', ['max_age' => 0]);
    eventually('its token is worth nothing', static function () use ($posse, $login) {
        return !$posse->introspect($login['access_token'])['active'];
    });
    asked();
}

test('the constants are read', static function () {
    check(isset(Site::$hooks['determine_current_user']), 'the plugin has started by itself');
    check(!isset(Site::$hooks['admin_notices']), 'and has nothing to complain of');
});

test('a login is reported', static function () {
    $login = wcpos_login();
    same(['POST sessions' => 1], asked(), 'requests to posse');
    $session = shown($login['session'], 'is_active');
    same(['42', 'zoe'], [$session['user'], $session['username']], 'user');
    same(['192.0.2.7', 'WCPOS/1.9.9 (ipad)'], [$session['ip'], $session['user_agent']], 'device');
    same('231', $session['build'], 'build');
    same(gmdate('Y-m-d\TH:i:s', Site::$meta[42][Auth::META][$login['session']]['expires']), substr($session['expires'], 0, 19), 'end');
});

test('a token is honoured, and its activity reported at most once in 30 seconds', static function () {
    $login = wcpos_login();
    asked();
    same([42, 200], with_token($login['access_token']), 'first request');
    same(['POST introspect' => 1, 'POST touches' => 1], asked(), 'first request');
    same([42, 200], with_token($login['access_token']), 'second request');
    same(['POST introspect' => 1], asked(), 'second request');
    later();
    same([42, 200], with_token($login['access_token']), 'half a minute later');
    same(['POST introspect' => 1, 'POST touches' => 1], asked(), 'half a minute later');
});

test('a refresh is reported', static function () {
    $login = wcpos_login();
    asked();
    $answer = wcpos_refresh($login['refresh_token']);
    same(['POST sessions refresh' => 1], asked(), 'requests to posse');
    same([42, 200], with_token($answer['access_token']), 'the new token');
});

test('what was terminated in posse is refused', static function () {
    $login = wcpos_login();
    $other = wcpos_login();
    ended_in_posse($login);
    same([0, 401], with_token($login['access_token']), 'under fail_closed');
    same([0, 401], with_token($login['access_token'], 'fail_open'), 'under fail_open');
    same([42, 200], with_token($other['access_token']), 'another session');
    check(isset(Site::$meta[42][Auth::META][$login['session']]), 'of a token posse may be mistaken, so the session is left');

    asked();
    $answer = wcpos_refresh($login['refresh_token']);
    same(['POST sessions refresh' => 1], asked(), 'posse is not told what it said itself');
    same(['posse_session_ended', 401], [$answer->get_error_code(), $answer->get_error_data()['status']], 'refresh');
    check(!isset(Site::$meta[42][Auth::META][$login['session']]), 'then the session has ended in WCPOS');
    same('woocommerce_pos_auth_refresh_token_revoked', wcpos_refresh($login['refresh_token'])->get_error_code(), 'the next refresh');
    asked();
    away(true);
    same(0, with_token($login['access_token'], 'fail_open')[0], 'and its tokens are refused while posse is away');
    away(false);
});

test('what is terminated in WordPress ends in posse', static function () {
    [$one, $two, $three] = [wcpos_login(), wcpos_login(), wcpos_login()];
    request();
    Auth::instance()->revoke_session_with_blacklist(42, $one['session']);
    same('terminate', shown($one['session'], 'has_ended')['ended']['cause'], 'cause');
    shown($two['session'], 'is_active');
    request();
    Auth::instance()->revoke_all_refresh_tokens(42);
    shown($two['session'], 'has_ended');
    shown($three['session'], 'has_ended');
});

test('posse is asked about tokens of WCPOS alone', static function () {
    $login = wcpos_login();
    asked();
    same([0, 200], with_token('e30.e30.e30'), "another plugin's token");
    same([0, 200], with_token($login['access_token'] . 'x'), 'a forged one');
    same([0, 200], with_token($login['refresh_token']), 'a refresh token');
    request();
    same([0, 200], outcome(), 'none');
    Site::$cookie = 7;
    request();
    same([7, 200], outcome(), 'a cookie');
    Site::$cookie = 0;
    same([], asked(), 'requests to posse');
});

test('a token is found wherever WCPOS finds it', static function () {
    $login = wcpos_login();
    ended_in_posse($login);
    $token = $login['access_token'];
    $split = substr_replace($token, '%41', 10, 0);
    foreach ([Auth::class, OldAuth::class] as Auth::$is) {
        foreach (
            [
                [['HTTP_AUTHORIZATION' => "Bearer   $token and more"], []], [['HTTP_AUTHORIZATION' => $token], []],
                [['REDIRECT_HTTP_AUTHORIZATION' => "Bearer $token"], []], [[], ['authorization' => "Bearer $token"]], [[], ['authorization' => $token]],
                [['HTTP_AUTHORIZATION' => '', 'REDIRECT_HTTP_AUTHORIZATION' => $token], []],
                [['HTTP_AUTHORIZATION' => "Bearer $split"], []], [['HTTP_AUTHORIZATION' => "<i>Bearer <b>$token</b>"], []],
            ] as [$server, $get]
        ) {
            request($server, $get);
            check(wcpos_user() === 42, 'WCPOS honours ' . key($server + $get));
            same([0, 401], outcome(), Auth::$is . ' ' . json_encode(array_keys($server + $get)));
        }
    }
    Auth::$is = Auth::class;
});

test('a cookie does not save an ended token', static function () {
    $login = wcpos_login();
    ended_in_posse($login);
    Site::$cookie = 7;
    request(['HTTP_AUTHORIZATION' => "Bearer {$login['access_token']}"]);
    same([7, 401], outcome(), 'the API would go by the token');
    Site::$cookie = 0;
});

test("the payment form goes by the cashier's token", static function () {
    $login = wcpos_login();
    $pay = static function (array $get, array $post = ['woocommerce_pay' => '1']): int {
        request([], $get + ['key' => 'order'], $post);
        try {
            do_action('wp');
        } catch (Died $died) {
            return $died->getCode();
        }
        return 200;
    };
    same(200, $pay(['wcpos_jwt' => $login['access_token']]), 'a good token');
    ended_in_posse($login);
    same(401, $pay(['wcpos_jwt' => $login['access_token']]), 'an ended one');
    same(401, $pay(['token' => $login['access_token']]), 'under its old name');
    same(200, $pay(['token' => 'of something else']), 'no token of WCPOS');
    same(200, $pay(['token' => $login['access_token']], []), 'another page');
});

test('while posse is away', static function () {
    away(true);
    $login = wcpos_login();
    check(isset($login['access_token']), 'people sign in');
    same([0, 503], with_token($login['access_token']), 'fail_closed');
    same([42, 200], with_token($login['access_token'], 'fail_open'), 'fail_open');
    check(!is_wp_error(wcpos_refresh($login['refresh_token'])), 'tokens are renewed');
    check(isset(Site::$meta[42][Auth::META][$login['session']]), 'nobody is signed out');
    away(false);
    asked();
    later();
    same([42, 200], with_token($login['access_token']), 'when it is back');
    same(['POST introspect' => 1, 'POST sessions' => 1, 'POST touches' => 1], asked(), 'the login is reported');
    $session = shown($login['session'], 'is_active');
    same(['WCPOS/1.9', '231'], [$session['user_agent'], $session['build']], 'from what WCPOS noted');
});

test('a session that posse never heard of is reported by its refresh', static function () {
    away(true);
    $login = wcpos_login();
    away(false);
    asked();
    check(!is_wp_error(wcpos_refresh($login['refresh_token'])), 'renewed');
    same(['POST sessions' => 1, 'POST sessions refresh' => 1], asked(), 'requests to posse');
    shown($login['session'], 'is_active');
});

test('addresses come from where the site says', static function () {
    request(['REMOTE_ADDR' => '10.0.0.1', 'HTTP_X_FORWARDED_FOR' => '203.0.113.5'], [], ['platform' => 'ios']);
    add_filter('posse_client_ip', static function () {
        return $_SERVER['HTTP_X_FORWARDED_FOR'];
    });
    $login = Auth::instance()->generate_token_pair(Site::$users[42]);
    same('203.0.113.5', shown($login['session'], 'is_active')['ip'], 'address');
    request(['HTTP_USER_AGENT' => "\xff" . str_repeat('é', 600), 'REMOTE_ADDR' => 'unix:'], [], ['platform' => ['x'], 'build' => str_repeat('9', 99)]);
    $login = Auth::instance()->generate_token_pair(Site::$users[42]);
    same(str_repeat('9', 64), shown($login['session'], 'is_active')['build'], 'what is too long is cut');
});

test('without its configuration no token is honoured', static function () {
    $login = wcpos_login();
    asked();
    foreach (
        [
            'POSSE_URL' => ['', POSSE_KEY, 'fail_open'], 'POSSE_KEY' => [POSSE_URL, '', 'fail_open'], 'POSSE_POLICY' => [POSSE_URL, POSSE_KEY, ''],
            'fail_closed' => [POSSE_URL, POSSE_KEY, 'open'], 'posse keys create' => [POSSE_URL, 'key-of-another-kind', 'fail_open'],
        ] as $named => $arguments
    ) {
        request(['HTTP_AUTHORIZATION' => "Bearer {$login['access_token']}"]);
        foreach (array_keys(Site::$hooks) as $hook) { // those of the plugin that is configured
            Site::$hooks[$hook] = array_map(static function (array $hooked): array {
                return array_filter($hooked, static function (array $one): bool {
                    return !is_array($one[0]);
                });
            }, Site::$hooks[$hook]);
        }
        $plugin = new Posse_WordPress(...$arguments);
        same([0, 503], outcome(), $named);
        ob_start();
        do_action('admin_notices');
        $notice = ob_get_clean();
        check(strpos($notice, $named) !== false && strpos($notice, 'key-of-another-kind') === false, "the notice names $named: $notice");
        check(isset(Auth::instance()->generate_token_pair(Site::$users[42])['access_token']), "$named: people sign in");
    }
    same([], asked(), 'requests to posse');
    Auth::$is = StrangeAuth::class;
    same([0, 503], with_token($login['access_token']), 'a WCPOS that nobody knows');
    Auth::$is = Auth::class;
    request();
    same([0, 200], outcome(), 'who brings no token is not concerned');
});

test('faults are in the log, once, and no secret is', static function () {
    $log = file_get_contents(env('POSSE_LOG'));
    check(substr_count($log, 'no answer') > 0, "that posse was away is in the log: $log");
    check(strpos($log, POSSE_KEY) === false && strpos($log, 'eyJ') === false, 'no secret is in the log');
    check(substr_count($log, "\n") < 30, "the log is short: $log");
});

finish();
