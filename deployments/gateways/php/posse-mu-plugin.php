<?php
/**
 * Plugin Name: posse
 * Description: Shows the sessions of WCPOS in posse, and refuses a token of WCPOS whose session was ended there.
 * Requires PHP: 7.4
 * License: Apache-2.0
 *
 * A must-use plugin: copy it and posse.php into wp-content/mu-plugins, after these
 * lines into wp-config.php. README.md beside it says the rest.
 *
 *     define('POSSE_URL', 'https://posse.example');
 *     define('POSSE_KEY', trim(file_get_contents('/etc/posse/key')));
 *     define('POSSE_POLICY', 'fail_closed'); // or fail_open
 *
 * What it hooks into, of WCPOS (woocommerce-pos 1.8 to 1.10, class
 * WCPOS\WooCommercePOS\Services\Auth):
 *
 *     woocommerce_pos_jwt_refresh_token_before_sign   a session begins: a login
 *     woocommerce_pos_jwt_access_token_before_sign    a session goes on: a refresh
 *
 * and of WordPress:
 *
 *     determine_current_user         WCPOS honours an access token here, at priority 20
 *     rest_authentication_errors     and, as a fall-back, here, at priority 50
 *     wp                             and in the payment form here, at priority 10
 *     rest_request_after_callbacks   takes back the answer to a refresh that posse refuses
 *     update_user_meta, delete_user_meta
 *                                    WCPOS ends a session by removing it from the meta
 *                                    _woocommerce_pos_refresh_tokens of its user
 *
 * It asks posse about tokens alone that WCPOS itself takes for good. So fail_open
 * never admits what nobody has verified.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

defined('ABSPATH') || exit;

require_once __DIR__ . '/posse.php';

/**
 * Ties WCPOS to posse. An object lives for one request.
 */
final class Posse_WordPress
{
    /** A session's activity is reported at most once in so many seconds. */
    private const TOUCH_EVERY = 30;

    /** For how long it is remembered that posse knows of a session, in seconds. */
    private const KNOWN_FOR = 86400;

    /** A fault is logged at most once in so many seconds. */
    private const LOG_EVERY = 60;

    private const AUTH = 'WCPOS\WooCommercePOS\Services\Auth';
    private const SESSIONS_META = '_woocommerce_pos_refresh_tokens';

    /** @var Posse|null null if the configuration is wrong */
    private $posse;

    /** @var string what is wrong with the configuration, "" if nothing */
    private $problem = '';

    /** @var mixed who WordPress takes the user for before WCPOS is asked */
    private $before = false;

    /** @var array judgements of this request by token: WP_Error, or null if admitted */
    private $judged = [];

    /** @var array sessions that began in this request, as keys */
    private $begun = [];

    /** @var array sessions that are being ended because posse says so, as keys */
    private $ending = [];

    /** @var WP_Error|null why a refresh of this request is refused */
    private $refreshRefused;

    /** Starts with the constants of wp-config.php. */
    public static function start(): self
    {
        $constant = static function (string $name): string {
            return defined($name) && is_string(constant($name)) ? constant($name) : '';
        };
        return new self($constant('POSSE_URL'), $constant('POSSE_KEY'), $constant('POSSE_POLICY'));
    }

    /** Options are those of Posse. */
    public function __construct(
        string $url,
        #[\SensitiveParameter]
        string $key,
        string $policy,
        array $options = []
    ) {
        try {
            foreach (['POSSE_URL' => $url, 'POSSE_KEY' => $key, 'POSSE_POLICY' => $policy] as $name => $value) {
                if ($value === '') {
                    throw new InvalidArgumentException("posse: define $name in wp-config.php");
                }
            }
            $this->posse = new Posse($url, $key, $policy, $options);
        } catch (InvalidArgumentException $wrong) {
            $this->problem = $wrong->getMessage();
            add_action('admin_notices', [$this, 'notice']);
        }
        // Late, to see what will be signed.
        add_filter('woocommerce_pos_jwt_refresh_token_before_sign', [$this, 'sessionBegins'], PHP_INT_MAX, 2);
        add_filter('woocommerce_pos_jwt_access_token_before_sign', [$this, 'sessionGoesOn'], PHP_INT_MAX, 2);
        add_filter('rest_request_after_callbacks', [$this, 'answer'], 10, 3);
        // Around WCPOS's own at 20.
        add_filter('determine_current_user', [$this, 'userBefore'], 19);
        add_filter('determine_current_user', [$this, 'userAfter'], 30);
        add_filter('rest_authentication_errors', [$this, 'restErrors'], 200);
        add_action('wp', [$this, 'paymentForm'], 5);
        add_action('update_user_meta', [$this, 'sessionsChange'], 10, 4);
        add_action('delete_user_meta', [$this, 'sessionsVanish'], 10, 3);
    }

    /** Tells administrators what is wrong with the configuration. */
    public function notice(): void
    {
        if (current_user_can('manage_options')) {
            echo '<div class="notice notice-error"><p>' . esc_html($this->problem . '. Until then no token of WCPOS is honoured.') . '</p></div>';
        }
    }

    // ---- a token is honoured ------------------------------------------------

    /** Remembers whom a cookie or another plugin has found: WCPOS leaves them be. */
    public function userBefore($user)
    {
        $this->before = $user;
        return $user;
    }

    public function userAfter($user)
    {
        $byToken = empty($this->before) || is_wp_error($this->before);
        if (!$byToken || empty($user) || is_wp_error($user)) {
            return $user;
        }
        return $this->judge($this->presented()) === null ? $user : false;
    }

    public function restErrors($errors)
    {
        if (is_wp_error($errors)) {
            return $errors;
        }
        $refusal = $this->judge($this->presented());
        if ($refusal === null) {
            return $errors;
        }
        wp_set_current_user(0); // WCPOS may have set it just before
        if ($refusal->get_error_data()['status'] === 503 && !headers_sent()) {
            header('Retry-After: 1');
        }
        return $refusal;
    }

    /** The payment form of an order shows the cashier's token in its address. */
    public function paymentForm(): void
    {
        if (!isset($_POST['woocommerce_pay'], $_GET['key'])) {
            return;
        }
        $refusal = $this->judge(self::clean($_GET['wcpos_jwt'] ?? $_GET['token'] ?? ''));
        if ($refusal !== null) {
            wp_die(esc_html($refusal->get_error_message()), '', ['response' => $refusal->get_error_data()['status']]);
        }
    }

    /** Returns why a token is not honoured, and null if it is, or is none of WCPOS's. */
    private function judge(string $token): ?WP_Error
    {
        if ($token === '') {
            return null;
        }
        $name = hash('sha256', $token);
        if (!array_key_exists($name, $this->judged)) {
            $this->judged[$name] = $this->judgeNow($token);
        }
        return $this->judged[$name];
    }

    private function judgeNow(string $token): ?WP_Error
    {
        if ($this->wcpos([]) === null) {
            return null; // without WCPOS nobody honours its tokens
        }
        if ($this->wcpos(['validate_token']) === null) {
            $this->log('posse: this WCPOS has no method validate_token, so its tokens cannot be told from others');
            return new WP_Error('posse_not_configured', 'posse does not know this version of WCPOS.', ['status' => 503]);
        }
        $claims = $this->verified($token);
        return $claims === null ? null : $this->ask($token, $claims);
    }

    private function ask(string $token, object $claims): ?WP_Error
    {
        if ($this->posse === null) {
            $this->log($this->problem);
            return new WP_Error('posse_not_configured', $this->problem, ['status' => 503]);
        }
        $decision = $this->posse->check($token);
        if ($decision['error'] !== '') {
            $this->log($decision['error']);
        }
        if ($decision['admitted']) {
            $this->touch((int) ($claims->data->user->id ?? 0), (string) ($claims->refresh_jti ?? ''));
            return null;
        }
        if ($decision['status'] === 503) {
            return new WP_Error('posse_unavailable', 'It cannot be told at the moment whether this session was ended. Try again.', ['status' => 503]);
        }
        $this->log(
            'posse does not honour a token that WCPOS does: its session was ended, or posse\'s --shared-secret, '
            . '--token-issuer or --tenant are not those of this site and key'
        );
        return new WP_Error('posse_session_ended', 'This session was ended. Sign in again.', ['status' => 401]);
    }

    /** The token that WCPOS looks at, in the form in which it looks at it. */
    private function presented(): string
    {
        $auth = $this->wcpos(['get_auth_header', 'extract_token']);
        if ($auth !== null) {
            return (string) $auth->extract_token($auth->get_auth_header());
        }
        // Before 1.10 these were private to WCPOS; it looked in the same places.
        $sent = '';
        foreach ([$_SERVER['HTTP_AUTHORIZATION'] ?? '', $_SERVER['REDIRECT_HTTP_AUTHORIZATION'] ?? '', $_GET['authorization'] ?? ''] as $place) {
            $sent = $sent === '' ? self::clean($place) : $sent;
        }
        if (preg_match('/\ABearer\s+(\S+)/', $sent, $match)) {
            return $match[1];
        }
        return preg_match('/\A[\w-]+\.[\w-]+\.[\w-]+\z/', $sent) ? $sent : '';
    }

    /** What a token says that WCPOS takes for good, or null. */
    private function verified(string $token): ?object
    {
        $claims = $this->wcpos(['validate_token'])->validate_token($token);
        return is_object($claims) && !is_wp_error($claims) ? $claims : null;
    }

    /** WCPOS's service, or null if it is not there or has not all of the methods. */
    private function wcpos(array $methods): ?object
    {
        if (!class_exists(self::AUTH) || !is_callable([self::AUTH, 'instance'])) {
            return null;
        }
        $auth = call_user_func([self::AUTH, 'instance']);
        foreach ($methods as $method) {
            if (!is_callable([$auth, $method])) {
                return null;
            }
        }
        return $auth;
    }

    /** As WCPOS cleans what it takes from a request, so that both see the same. */
    private static function clean($value): string
    {
        return is_string($value) && $value !== '' ? sanitize_text_field(wp_unslash($value)) : '';
    }

    // ---- what happens is reported -------------------------------------------

    /** WCPOS signs a refresh token: somebody signs in. */
    public function sessionBegins($claims, $user)
    {
        $said = (array) $claims;
        $session = (string) ($said['jti'] ?? '');
        if ($this->posse !== null && $session !== '') {
            $this->begun[$session] = true;
            $this->login((int) $user->ID, [
                'session' => $session, 'created' => self::time($said['iat'] ?? 0), 'expires' => self::time($said['exp'] ?? 0),
            ] + self::declared($_REQUEST), self::device());
        }
        return $claims;
    }

    /** WCPOS signs an access token: with a new session, or later to renew it. */
    public function sessionGoesOn($claims, $user)
    {
        $session = (string) (((array) $claims)['refresh_jti'] ?? '');
        if ($this->posse === null || $session === '' || isset($this->begun[$session])) {
            return $claims;
        }
        $user = (int) $user->ID;
        $report = $this->posse->refresh($session, ['user' => (string) $user] + self::device());
        if ($report['reason'] === 'not_found') {
            $this->loginOf($user, $session);
        } elseif (in_array($report['reason'], ['session_ended', 'session_expired'], true)) {
            $this->refreshRefused = new WP_Error('posse_session_ended', 'This session was ended. Sign in again.', ['status' => 401]);
            $this->endInWCPOS($user, $session);
        } else {
            $this->logReport($report);
        }
        return $claims;
    }

    /** Nobody gets the token that was signed for an ended session. */
    public function answer($response, $handler, $request)
    {
        return $this->refreshRefused ?? $response;
    }

    /**
     * WCPOS ends it too: this refuses its tokens also while posse is away. What posse
     * says of a session is final; what it says of a token may be a slip in its
     * configuration, and ends nothing here.
     */
    private function endInWCPOS(int $user, string $session): void
    {
        $auth = $this->wcpos(['revoke_session_with_blacklist']);
        if ($auth !== null) {
            $this->ending[$session] = true;
            $auth->revoke_session_with_blacklist($user, $session);
        }
    }

    /** A session made a request. */
    private function touch(int $user, string $session): void
    {
        $id = md5("$user/$session");
        if ($user === 0 || $session === '' || get_transient("posse_touched_$id") !== false) {
            return;
        }
        set_transient("posse_touched_$id", 1, self::TOUCH_EVERY);
        if (get_transient("posse_known_$id") === false) {
            $this->loginOf($user, $session); // it began before this plugin, or while posse was away
        }
        $this->logReport($this->posse->touch(['user' => (string) $user, 'session' => $session] + self::device()));
    }

    /** Reports the login of a session from what WCPOS has noted of it. */
    private function loginOf(int $user, string $session): void
    {
        $auth = $this->wcpos(['get_user_sessions']);
        foreach ($auth === null ? [] : $auth->get_user_sessions($user) as $noted) {
            if (($noted['jti'] ?? '') !== $session) {
                continue;
            }
            $info = is_array($noted['device_info'] ?? null) ? $noted['device_info'] : [];
            $this->login($user, [
                'session' => $session, 'created' => self::time($noted['created'] ?? 0), 'expires' => self::time($noted['expires'] ?? 0),
            ] + self::declared([
                'platform' => preg_replace('/_app\z/', '', (string) ($info['app_type'] ?? '')), 'build' => $info['build'] ?? '',
            ]), array_filter([
                'ip' => (string) ($noted['ip_address'] ?? ''), 'user_agent' => Posse::text((string) ($noted['user_agent'] ?? ''), 512),
            ]));
            return;
        }
    }

    private function login(int $user, array $login, array $device): void
    {
        $person = get_userdata($user);
        $personal = $person === false ? [] : [
            'username' => Posse::text((string) $person->user_login, 256),
            'display_name' => Posse::text((string) $person->display_name, 256),
            'avatar_url' => Posse::text((string) get_avatar_url($user), 1024),
        ];
        $login['user'] = (string) $user;
        $login['personal'] = (object) array_filter($personal + $device);
        $report = $this->posse->login(array_filter($login));
        if ($report['ok'] || $report['status'] === 409) { // 409: posse knows it otherwise, or as ended
            set_transient('posse_known_' . md5("$user/{$login['session']}"), 1, self::KNOWN_FOR);
            return;
        }
        $this->logReport($report);
    }

    /** WordPress is about to write a user's meta. What is no longer in it was ended. */
    public function sessionsChange($id, $user, $key, $value): void
    {
        if ($key === self::SESSIONS_META) {
            $this->ended((int) $user, is_array($value) ? $value : []);
        }
    }

    /** WordPress is about to delete it: all were ended. */
    public function sessionsVanish($ids, $user, $key): void
    {
        if ($key === self::SESSIONS_META) {
            $this->ended((int) $user, []);
        }
    }

    private function ended(int $user, array $left): void
    {
        $noted = get_user_meta($user, self::SESSIONS_META, true);
        if ($this->posse === null || !is_array($noted)) {
            return;
        }
        foreach (array_diff_key($noted, $left, $this->ending) as $session => $of) {
            if ((int) ($of['expires'] ?? 0) <= time()) {
                continue; // WCPOS tidies up
            }
            $report = $this->posse->end((string) $session);
            if ($report['status'] !== 404) {
                $this->logReport($report);
            }
            if ($report['status'] === 0) {
                return; // posse is away; do not wait for it once for each
            }
        }
    }

    /** What an app declares of itself when it signs in. */
    private static function declared(array $request): array
    {
        $declared = [];
        foreach (['platform' => 'platform', 'app_version' => 'version', 'build' => 'build'] as $field => $name) {
            $declared[$field] = Posse::text(self::clean($request[$name] ?? ''), 64);
        }
        return array_filter($declared, 'strlen');
    }

    /**
     * Where a request comes from. Behind a proxy REMOTE_ADDR is the proxy's; who
     * trusts a header of it returns that from the filter posse_client_ip.
     */
    private static function device(): array
    {
        $ip = apply_filters('posse_client_ip', self::clean($_SERVER['REMOTE_ADDR'] ?? ''));
        return array_filter([
            'ip' => is_string($ip) && filter_var($ip, FILTER_VALIDATE_IP) ? $ip : '',
            'user_agent' => Posse::text(self::clean($_SERVER['HTTP_USER_AGENT'] ?? ''), 512),
        ], 'strlen');
    }

    private static function time($seconds): string
    {
        return (int) $seconds > 0 ? gmdate('Y-m-d\TH:i:s\Z', (int) $seconds) : '';
    }

    private function logReport(array $report): void
    {
        if (!$report['ok']) {
            $this->log($report['error']);
        }
    }

    /** Neither a token nor the key is in any of these sentences. */
    private function log(string $sentence): void
    {
        $name = 'posse_logged_' . md5($sentence);
        if (get_transient($name) === false) {
            set_transient($name, 1, self::LOG_EVERY);
            error_log($sentence);
        }
    }
}

Posse_WordPress::start();
