<?php
/**
 * Tests of posse.php against a posse that runs. `go test ./services/posse -run PHP`
 * starts one and gives this script what it needs in the environment:
 *
 *     POSSE_URL, POSSE_KEY, POSSE_FOREIGN_KEY   a posse, and the keys of two tenants
 *     POSSE_EXPIRED                             an access token whose time is over
 *     POSSE_AWAY, POSSE_SLOW, POSSE_STALL,      addresses where nobody answers, where
 *     POSSE_STALE                               the answer never comes, where it never
 *                                               ends, and where it is 503
 *     POSSE_LYING                               where the answers are nonsense, by path
 *     POSSE_TLS, POSSE_CA                       a posse over TLS, and who signed it
 */

declare(strict_types=1);

require __DIR__ . '/../posse.php';
require __DIR__ . '/check.php';

function client(string $url, string $policy = Posse::FAIL_CLOSED, array $options = [], string $key = ''): Posse
{
    return new Posse($url, $key ?: env('POSSE_KEY'), $policy, $options + ['timeout' => 5]);
}

/** Signs somebody in, with tokens that posse mints. */
function sign_in(string $session): array
{
    $done = client(env('POSSE_URL'))->login(['user' => '42', 'session' => $session, 'roles' => ['cashier']]);
    same(201, $done['status'], "login of $session");
    return $done['body']['tokens'];
}

test('an active token', static function () {
    $tokens = sign_in('active');
    $decision = client(env('POSSE_URL'))->check($tokens['access_token']);
    same([true, 200, 'allowed', ''], [$decision['admitted'], $decision['status'], $decision['reason'], $decision['error']], 'decision');
    $claims = $decision['claims'];
    same(['42', 'active', 'shop', ['cashier'], 'access'], [$claims['sub'], $claims['sid'], $claims['tenant'], $claims['roles'], $claims['token_use']], 'claims');
});

test('a refresh token is active and opens nothing', static function () {
    $tokens = sign_in('refresh');
    same('refresh', client(env('POSSE_URL'))->introspect($tokens['refresh_token'])['token_use'], 'token_use');
    same([401, 'token_inactive'], verdict(client(env('POSSE_URL'))->check($tokens['refresh_token'])), 'decision');
});

test('a revoked token is refused', static function () {
    $tokens = sign_in('revoked');
    same('', client(env('POSSE_URL'))->revoke($tokens['refresh_token'])['error'], 'revoke');
    eventually('the session is refused', static function () use ($tokens) {
        return verdict(client(env('POSSE_URL'))->check($tokens['access_token'])) === [401, 'token_inactive'];
    });
    same(200, client(env('POSSE_URL'))->revoke($tokens['access_token'])['status'], 'revoking it again');
    same(200, client(env('POSSE_URL'))->revoke('garbage')['status'], 'revoking what is no token');
});

test('tokens that were never good', static function () {
    $posse = client(env('POSSE_URL'));
    $foreign = client(env('POSSE_URL'), Posse::FAIL_OPEN, [], env('POSSE_FOREIGN_KEY'));
    $tokens = sign_in('never');
    same([401, 'token_missing'], verdict($posse->check('')), 'none');
    same([401, 'token_inactive'], verdict($posse->check('garbage&token=' . $tokens['access_token'])), 'garbage');
    same([401, 'token_inactive'], verdict($posse->check("\x00\xff")), 'bytes');
    same([401, 'token_inactive'], verdict($posse->check(str_repeat('a', 1 << 20))), 'a very long one');
    same([401, 'token_inactive'], verdict($posse->check(env('POSSE_EXPIRED'))), 'expired');
    same([401, 'token_inactive'], verdict($foreign->check($tokens['access_token'])), 'of another tenant');
    same(['active' => false], $foreign->introspect($tokens['access_token']), 'what another tenant learns');
});

test('who cannot be asked', static function () {
    foreach (['POSSE_AWAY', 'POSSE_SLOW', 'POSSE_STALL', 'POSSE_STALE'] as $where) {
        $closed = client(env($where), Posse::FAIL_CLOSED, ['timeout' => 0.2])->check('a.b.c');
        same([503, 'posse_unavailable'], verdict($closed), "$where, fail_closed");
        check($closed['error'] !== '', "$where: the fault is named");
        $open = client(env($where), Posse::FAIL_OPEN, ['timeout' => 0.2])->check('a.b.c');
        same([200, 'allowed_unchecked'], verdict($open), "$where, fail_open");
        same([], $open['claims'], "$where: nobody knows who it is");
        same(false, client(env($where), Posse::FAIL_OPEN, ['timeout' => 0.2])->login(['user' => '42'])['ok'], "$where: a login");
    }
});

test('answers that are none are no answers', static function () {
    foreach (['/text', '/list', '/word', '/huge', '/redirect', '/cut'] as $path) {
        same([503, 'posse_unavailable'], verdict(client(env('POSSE_LYING') . $path)->check('a.b.c')), $path);
    }
});

test('a key that posse does not know', static function () {
    $key = 'posse_bk_0123456789abcdef_' . str_repeat('0', 64);
    $decision = client(env('POSSE_URL'), Posse::FAIL_CLOSED, [], $key)->check('a.b.c');
    same([503, 'posse_unavailable'], verdict($decision), 'decision');
    check(strpos($decision['error'], '401 invalid_client') !== false, "the error says so: {$decision['error']}");
});

test('certificates are verified', static function () {
    $strange = client(env('POSSE_TLS'))->check('a.b.c');
    same([503, 'posse_unavailable'], verdict($strange), 'unknown authority');
    same([401, 'token_inactive'], verdict(client(env('POSSE_TLS'), Posse::FAIL_CLOSED, ['ca_file' => env('POSSE_CA')])->check('a.b.c')), 'known authority');
    $elsewhere = str_replace('127.0.0.1', 'localhost', env('POSSE_TLS'));
    same([503, 'posse_unavailable'], verdict(client($elsewhere, Posse::FAIL_CLOSED, ['ca_file' => env('POSSE_CA')])->check('a.b.c')), 'another name');
});

test('reports', static function () {
    $posse = client(env('POSSE_URL'));
    $login = [
        'user' => '42', 'session' => 'a/b ü', 'created' => gmdate('Y-m-d\TH:i:s\Z', time() - 60), 'platform' => 'ios',
        'personal' => ['display_name' => 'Zoë', 'user_agent' => "WCPOS\xff", 'ip' => '192.0.2.7'],
    ];
    same(201, $posse->login($login)['status'], 'login');
    same(201, $posse->login($login)['status'], 'the same login again');
    same([409, 'session_exists'], reasons($posse->login(['platform' => 'android'] + $login)), 'another login of that session');
    same([200, ''], reasons($posse->refresh('a/b ü', ['user' => '42', 'ip' => '192.0.2.8'])), 'refresh');
    same([202, ''], reasons($posse->touch(['user' => '42', 'session' => 'a/b ü'])), 'touch');
    same([422, 'invalid'], reasons($posse->touch(['user' => '42', 'session' => ''])), 'a touch of nothing');
    same([404, 'not_found'], reasons($posse->refresh('nobody', ['user' => '42'])), 'refresh of nothing');
    same([200, ''], reasons($posse->end('a/b ü')), 'end');
    same([409, 'session_ended'], reasons($posse->refresh('a/b ü', ['user' => '42'])), 'refresh of an ended session');
});

test('answers are kept for a few seconds', static function () {
    foreach ([false, true] as $shared) {
        $GLOBALS['apcu'] = $shared ? [] : null;
        $tokens = sign_in($shared ? 'kept-apcu' : 'kept');
        $posse = client(env('POSSE_URL'), Posse::FAIL_CLOSED, ['max_age' => 60]);
        $fresh = client(env('POSSE_URL'), Posse::FAIL_CLOSED, ['max_age' => 0]);
        same(true, $posse->check($tokens['access_token'])['admitted'], 'before');
        client(env('POSSE_URL'))->end($shared ? 'kept-apcu' : 'kept');
        $GLOBALS['apcu_off'] = true; // the one without a cache must not look into the shared one
        eventually('who asks every time is told', static function () use ($fresh, $tokens) {
            return !$fresh->check($tokens['access_token'])['admitted'];
        });
        $GLOBALS['apcu_off'] = false;
        same(true, $posse->check($tokens['access_token'])['admitted'], 'who asked just before is not');
        same($shared ? 1 : null, $GLOBALS['apcu'] === null ? null : count($GLOBALS['apcu']), 'answers in APCu');
        foreach ($GLOBALS['apcu'] ?? [] as $name => $entry) {
            check(strpos($name . serialize($entry), $tokens['access_token']) === false, 'no token is in APCu');
            check($entry[1] <= 60, "the entry ends: {$entry[1]}");
        }
        same(true, $posse->revoke($tokens['access_token'])['ok'], 'revoke');
        same(false, $posse->check($tokens['access_token'])['admitted'], 'who revoked it knows');
    }
    $GLOBALS['apcu'] = null;
});

test('a kept answer ends with its token', static function () {
    // The answer of POSSE_LYING/expiring expires in the second in which it is given.
    $posse = client(env('POSSE_LYING') . '/expiring', Posse::FAIL_CLOSED, ['max_age' => 60]);
    $first = $posse->introspect('a.b.c');
    check($posse->introspect('a.b.c')['jti'] !== $first['jti'], 'posse is asked again');
});

test('the cache is bounded', static function () {
    $posse = client(env('POSSE_LYING') . '/long', Posse::FAIL_CLOSED, ['max_age' => 60]);
    $first = $posse->introspect('0');
    same($first['jti'], $posse->introspect('0')['jti'], 'kept');
    for ($i = 1; $i <= 128; $i++) {
        $posse->introspect((string) $i);
    }
    check($posse->introspect('0')['jti'] !== $first['jti'], 'the oldest has made room');
});

test('configuration', static function () {
    $good = ['https://posse.example', env('POSSE_KEY'), Posse::FAIL_OPEN, []];
    foreach (
        [
            'no URL' => [0, ''], 'no scheme' => [0, 'posse.example'], 'another scheme' => [0, 'file:///etc/passwd'],
            'with a password' => [0, 'https://u:p@posse.example'], 'line feed' => [0, "https://posse.example\r\nX: y"],
            'no key' => [1, ''], 'key of another kind' => [1, 'secret-of-another-kind'], 'key and line feed' => [1, env('POSSE_KEY') . "\n"],
            'no policy' => [2, ''], 'unknown policy' => [2, 'open'], 'unknown option' => [3, ['tls' => false]],
            'endless' => [3, ['timeout' => 0]], 'no file' => [3, ['ca_file' => '/nowhere']], 'a day' => [3, ['max_age' => 86400]],
        ] as $name => $change
    ) {
        $arguments = $good;
        $arguments[$change[0]] = $change[1];
        try {
            new Posse(...$arguments);
            check(false, "$name is taken");
        } catch (InvalidArgumentException $error) {
            check(strpos($error->getMessage(), 'secret-of-another-kind') === false, "$name: the key is not shown");
        }
    }
    $shown = print_r(new Posse(...$good), true) . var_export((new Posse(...$good))->__debugInfo(), true);
    check(strpos($shown, env('POSSE_KEY')) === false, 'the key is not shown');
});

finish();
