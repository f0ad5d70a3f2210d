<?php
/**
 * As much of WordPress and of WCPOS as posse-mu-plugin.php uses, to test it without
 * either: hooks, transients, user meta, errors, and a service that signs and checks
 * tokens like WCPOS's and calls the same filters at the same moments.
 */

declare(strict_types=1);

namespace {
    define('ABSPATH', __DIR__);

    /** What a WordPress holds. It outlives requests. */
    final class Site
    {
        public static $url = 'https://shop.example';
        public static $ahead = 0; // seconds by which the clock of transients was put forward
        public static $hooks = [];
        public static $transients = [];
        public static $meta = [];
        public static $users = [];
        public static $user = 0; // the current user
        public static $cookie = 0; // whom a cookie names

        public static function now(): int
        {
            return time() + self::$ahead;
        }
    }

    class WP_Error
    {
        private $code;
        private $message;
        private $data;

        public function __construct(string $code = '', string $message = '', $data = null)
        {
            [$this->code, $this->message, $this->data] = [$code, $message, $data];
        }

        public function get_error_code(): string
        {
            return $this->code;
        }

        public function get_error_message(): string
        {
            return $this->message;
        }

        public function get_error_data()
        {
            return $this->data;
        }
    }

    class WP_User
    {
        public $ID;
        public $user_login;
        public $display_name;

        public function __construct(int $id, string $login, string $name)
        {
            [$this->ID, $this->user_login, $this->display_name] = [$id, $login, $name];
        }
    }

    /** How wp_die ends a request here. */
    final class Died extends \RuntimeException
    {
    }

    function add_filter(string $hook, callable $do, int $priority = 10, int $arguments = 1): bool
    {
        Site::$hooks[$hook][$priority][] = [$do, $arguments];
        return true;
    }

    function add_action(string $hook, callable $do, int $priority = 10, int $arguments = 1): bool
    {
        return add_filter($hook, $do, $priority, $arguments);
    }

    function apply_filters(string $hook, $value, ...$more)
    {
        $priorities = Site::$hooks[$hook] ?? [];
        ksort($priorities);
        foreach ($priorities as $hooked) {
            foreach ($hooked as [$do, $arguments]) {
                $value = $do(...array_slice([$value, ...$more], 0, $arguments));
            }
        }
        return $value;
    }

    function do_action(string $hook, ...$arguments): void
    {
        $priorities = Site::$hooks[$hook] ?? [];
        ksort($priorities);
        foreach ($priorities as $hooked) {
            foreach ($hooked as [$do, $most]) {
                $do(...array_slice($arguments, 0, $most));
            }
        }
    }

    function is_wp_error($thing): bool
    {
        return $thing instanceof WP_Error;
    }

    function get_transient(string $name)
    {
        [$value, $until] = Site::$transients[$name] ?? [false, 0];
        return $until > Site::now() ? $value : false;
    }

    function set_transient(string $name, $value, int $ttl): bool
    {
        Site::$transients[$name] = [$value, Site::now() + $ttl];
        return true;
    }

    function get_user_meta(int $user, string $key, bool $single)
    {
        return Site::$meta[$user][$key] ?? '';
    }

    function update_user_meta(int $user, string $key, $value): bool
    {
        if (isset(Site::$meta[$user][$key])) {
            do_action('update_user_meta', 1, $user, $key, $value);
        }
        Site::$meta[$user][$key] = $value;
        return true;
    }

    function delete_user_meta(int $user, string $key): bool
    {
        do_action('delete_user_meta', [1], $user, $key, '');
        unset(Site::$meta[$user][$key]);
        return true;
    }

    function get_userdata(int $user)
    {
        return Site::$users[$user] ?? false;
    }

    function get_avatar_url(int $user): string
    {
        return "https://avatars.example/$user.png";
    }

    function wp_set_current_user(int $user): void
    {
        Site::$user = $user;
    }

    function current_user_can(string $what): bool
    {
        return $what === 'manage_options';
    }

    function wp_unslash(string $text): string
    {
        return stripslashes($text);
    }

    function sanitize_text_field(string $text): string
    {
        return trim(preg_replace(['/<[^>]*>/', '/%[a-f0-9]{2}/i', '/[\r\n\t ]+/'], ['', '', ' '], $text));
    }

    function esc_html(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES);
    }

    function wp_die(string $message, string $title, array $options): void
    {
        throw new Died($message, $options['response']);
    }
}

namespace WCPOS\WooCommercePOS\Services {
    /** Signs HS256 with one secret for access tokens and another one for refresh tokens. */
    class OldAuth
    {
        const META = '_woocommerce_pos_refresh_tokens';

        public function validate_token($token = '', $type = 'access')
        {
            $parts = explode('.', (string) $token);
            if (count($parts) !== 3 || !hash_equals(self::mac("$parts[0].$parts[1]", $type), $parts[2])) {
                return new \WP_Error('woocommmerce_pos_auth_invalid_token', 'Signature verification failed', ['status' => 403]);
            }
            $claims = json_decode(base64_decode(strtr($parts[1], '-_', '+/')));
            if ($claims->exp <= time() || $claims->iss !== \Site::$url || $claims->type !== $type) {
                return new \WP_Error('woocommmerce_pos_auth_invalid_token', 'Expired', ['status' => 403]);
            }
            if ($type === 'access' && get_transient("wcpos_blacklist_{$claims->refresh_jti}") !== false) {
                return new \WP_Error('woocommerce_pos_auth_session_revoked', 'Session has been revoked', ['status' => 403]);
            }
            return $claims;
        }

        /** A login: session, access_token and refresh_token. */
        public function generate_token_pair(\WP_User $user, array $device = []): array
        {
            $session = bin2hex(random_bytes(16));
            $claims = $this->claims($user, 'refresh', $session, 30 * 86400);
            $refresh = self::sign(apply_filters('woocommerce_pos_jwt_refresh_token_before_sign', $claims, $user));
            $sessions = get_user_meta($user->ID, self::META, true) ?: [];
            $sessions[$session] = [
                'expires' => $claims['exp'], 'created' => $claims['iat'], 'ip_address' => '192.0.2.9', 'user_agent' => 'WCPOS/1.9',
                'device_info' => ['app_type' => 'ios_app', 'build' => '231'],
            ];
            update_user_meta($user->ID, self::META, $sessions);
            return ['session' => $session, 'access_token' => $this->access($user, $session), 'refresh_token' => $refresh];
        }

        public function refresh_access_token(string $refresh)
        {
            $claims = $this->validate_token($refresh, 'refresh');
            if (is_wp_error($claims)) {
                return $claims;
            }
            if (!isset((get_user_meta($claims->data->user->id, self::META, true) ?: [])[$claims->jti])) {
                return new \WP_Error('woocommerce_pos_auth_refresh_token_revoked', 'Refresh token has been revoked', ['status' => 403]);
            }
            return ['access_token' => $this->access(get_userdata($claims->data->user->id), $claims->jti)];
        }

        public function get_user_sessions(int $user): array
        {
            $sessions = [];
            foreach (get_user_meta($user, self::META, true) ?: [] as $session => $of) {
                $sessions[] = ['jti' => $session] + $of;
            }
            return $sessions;
        }

        public function revoke_session_with_blacklist(int $user, string $session): bool
        {
            $sessions = get_user_meta($user, self::META, true) ?: [];
            unset($sessions[$session]);
            update_user_meta($user, self::META, $sessions);
            return set_transient("wcpos_blacklist_$session", true, 1800);
        }

        public function revoke_all_refresh_tokens(int $user): bool
        {
            return delete_user_meta($user, self::META);
        }

        private function access(\WP_User $user, string $session): string
        {
            $claims = $this->claims($user, 'access', bin2hex(random_bytes(16)), 1800) + ['refresh_jti' => $session];
            return self::sign(apply_filters('woocommerce_pos_jwt_access_token_before_sign', $claims, $user));
        }

        private function claims(\WP_User $user, string $type, string $id, int $seconds): array
        {
            return [
                'iss' => \Site::$url, 'iat' => time(), 'exp' => time() + $seconds, 'jti' => $id, 'type' => $type,
                'data' => ['user' => ['id' => $user->ID]],
            ];
        }

        private static function sign(array $claims): string
        {
            $signed = self::base64(json_encode(['typ' => 'JWT', 'alg' => 'HS256'])) . '.' . self::base64(json_encode($claims));
            return $signed . '.' . self::mac($signed, $claims['type']);
        }

        private static function mac(string $signed, string $type): string
        {
            return self::base64(hash_hmac('sha256', $signed, \env($type === 'access' ? 'POSSE_WCPOS_SECRET' : 'POSSE_WCPOS_REFRESH_SECRET'), true));
        }

        private static function base64(string $data): string
        {
            return rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
        }
    }

    /** As OldAuth, which is that before 1.10, and tells where it finds a token. */
    class Auth extends OldAuth
    {
        public static $is = self::class;

        public static function instance(): object
        {
            return new self::$is();
        }

        public function get_auth_header()
        {
            foreach (['HTTP_AUTHORIZATION', 'REDIRECT_HTTP_AUTHORIZATION'] as $name) {
                if (!empty($_SERVER[$name])) {
                    return sanitize_text_field(wp_unslash($_SERVER[$name]));
                }
            }
            return empty($_GET['authorization']) ? false : sanitize_text_field(wp_unslash($_GET['authorization']));
        }

        public function extract_token($sent): ?string
        {
            if (is_string($sent) && preg_match('/^Bearer\s+(\S+)/', $sent, $match)) {
                return $match[1];
            }
            return is_string($sent) && preg_match('/^[\w-]+\.[\w-]+\.[\w-]+$/', $sent) ? $sent : null;
        }
    }

    /** A WCPOS of which nobody knows how it checks its tokens. */
    final class StrangeAuth
    {
    }
}
