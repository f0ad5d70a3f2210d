<?php
/**
 * posse for PHP: asks whether a token may be honoured, and reports what happens to
 * sessions. One file without dependencies, for PHP 7.4 and later.
 *
 *     require __DIR__ . '/posse.php';
 *     $posse = new Posse('https://posse.example', $key, Posse::FAIL_CLOSED);
 *     $decision = $posse->check($bearerToken);
 *     if (!$decision['admitted']) {
 *         http_response_code($decision['status']); // 401 or 503
 *         exit;
 *     }
 *     $user = $decision['claims']['sub'];
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/**
 * A client of posse's API for a POS backend.
 *
 * Nothing here prints, logs or throws a token or the key. Certificates are always
 * verified, redirects are never followed, and no proxy is used. Over http:// the
 * key and the tokens can be read on the way: use it on one machine or in a network
 * of your own, and https:// elsewhere.
 */
final class Posse
{
    /** Refuse everybody with 503 while posse cannot be asked. */
    public const FAIL_CLOSED = 'fail_closed';

    /**
     * Admit everybody while posse cannot be asked. Nobody has verified the token
     * then: choose it only where somebody else does, as WCPOS does with its own.
     */
    public const FAIL_OPEN = 'fail_open';

    /** How long a request to posse may take, in seconds. */
    private const TIMEOUT = 2.0;

    /**
     * For how many seconds an answer "active" is good. This is the price of a cache:
     * a revocation is noticed so much later where somebody asked just before, and
     * posse is asked once in so many seconds for each session instead of with every
     * request. 0 asks every time. A gateway that follows the stream of revocations
     * needs no such choice; use one where you can.
     */
    private const MAX_AGE = 5;

    /** For how long an answer "not active" is good: such a token does not come back. */
    private const MAX_AGE_INACTIVE = 60;

    private const MAX_TOKEN = 16384;  // bytes; posse looks at no longer one
    private const MAX_ANSWER = 65536; // bytes
    private const MAX_CACHED = 128;   // answers within this process; APCu has its own limit

    private $url;
    private $key;
    private $policy;
    private $timeout = self::TIMEOUT;
    private $maxAge = self::MAX_AGE;
    private $caFile = '';
    private $cached = [];

    /**
     * @param string $url     Where posse's API is, such as https://posse.example.
     * @param string $key     The key of the POS backend, posse_bk_…
     * @param string $policy  FAIL_CLOSED or FAIL_OPEN. There is no default: whether a
     *                        shop goes on selling or a lost tablet stays locked out is
     *                        for its owner to decide.
     * @param array  $options timeout (seconds, 0.1 to 30; 2 if not given), max_age
     *                        (seconds, 0 to 60; 5 if not given), ca_file (PEM; the
     *                        system's authorities if not given).
     *
     * @throws InvalidArgumentException that says what is wrong, without the key.
     */
    public function __construct(
        string $url,
        #[\SensitiveParameter]
        string $key,
        string $policy,
        array $options = []
    ) {
        $parts = parse_url($url);
        if (
            !is_array($parts) || !in_array($parts['scheme'] ?? '', ['http', 'https'], true) || ($parts['host'] ?? '') === ''
            || isset($parts['user']) || isset($parts['query']) || isset($parts['fragment']) || preg_match('/[\x00-\x20\x7F]/', $url)
        ) {
            throw new InvalidArgumentException('posse: the URL has to be one such as https://posse.example');
        }
        if (!preg_match('/\Aposse_bk_[0-9a-f]{16}_[0-9a-f]{64}\z/', $key)) {
            throw new InvalidArgumentException(
                'posse: the key is not of the form posse_bk_ID_SECRET, as `posse keys create` prints it'
            );
        }
        if ($policy !== self::FAIL_CLOSED && $policy !== self::FAIL_OPEN) {
            throw new InvalidArgumentException(
                "posse: the policy has to be fail_closed (refuse with 503 while posse cannot be asked) or fail_open (go on)"
            );
        }
        if (!extension_loaded('curl') && (!ini_get('allow_url_fopen') || $parts['scheme'] === 'https' && !extension_loaded('openssl'))) {
            throw new InvalidArgumentException(
                'posse: PHP needs its extension curl, or allow_url_fopen = On and its extension openssl'
            );
        }
        $this->url = rtrim($url, '/');
        $this->key = $key;
        $this->policy = $policy;
        $this->options($options);
    }

    private function options(array $options): void
    {
        foreach ($options as $name => $value) {
            if ($name === 'timeout' && is_numeric($value) && $value >= 0.1 && $value <= 30) {
                $this->timeout = (float) $value;
            } elseif ($name === 'max_age' && is_numeric($value) && $value >= 0 && $value <= 60) {
                $this->maxAge = (int) $value;
            } elseif ($name === 'ca_file' && is_string($value) && is_readable($value)) {
                $this->caFile = $value;
            } else {
                throw new InvalidArgumentException("posse: the option $name is not known, or its value is not acceptable");
            }
        }
    }

    /** What print_r and var_dump show. */
    public function __debugInfo(): array
    {
        return ['url' => $this->url, 'policy' => $this->policy, 'timeout' => $this->timeout, 'max_age' => $this->maxAge];
    }

    /**
     * Decides whether the bearer of an access token is admitted.
     *
     * @return array admitted (bool), status (200, 401 when the bearer has to sign in
     *               again, or 503 when the request may be repeated), reason (allowed,
     *               allowed_unchecked, token_missing, token_inactive, posse_unavailable),
     *               claims (what posse knows of the token; empty unless allowed),
     *               error (for your log, "" if there is none; no token is in it).
     */
    public function check(
        #[\SensitiveParameter]
        string $token
    ): array {
        if ($token === '') {
            return self::decision(401, 'token_missing');
        }
        try {
            $answer = $this->introspect($token);
        } catch (RuntimeException $away) {
            $open = $this->policy === self::FAIL_OPEN;
            return self::decision($open ? 200 : 503, $open ? 'allowed_unchecked' : 'posse_unavailable', [], $away->getMessage());
        }
        // A refresh token is active too, but it opens nothing.
        if ($answer['active'] && ($answer['token_use'] ?? '') === 'access') {
            return self::decision(200, 'allowed', $answer);
        }
        return self::decision(401, 'token_inactive');
    }

    private static function decision(int $status, string $reason, array $claims = [], string $error = ''): array
    {
        return ['admitted' => $status === 200, 'status' => $status, 'reason' => $reason, 'claims' => $claims, 'error' => $error];
    }

    /**
     * Asks posse what a token is worth (RFC 7662), or remembers it for a few seconds.
     *
     * @return array active (bool), and if it is: token_use (access or refresh), sub,
     *               sid, tenant, roles, iss, jti, iat, exp.
     *
     * @throws RuntimeException when posse cannot tell, or cannot be asked.
     */
    public function introspect(
        #[\SensitiveParameter]
        string $token
    ): array {
        if (strlen($token) > self::MAX_TOKEN) {
            return ['active' => false];
        }
        $answer = $this->remembered($token);
        if ($answer !== null) {
            return $answer;
        }
        $result = $this->form('/v1/introspect', ['token' => $token]);
        if (!$result['ok'] || !is_bool($result['body']['active'] ?? null)) {
            throw new RuntimeException('posse does not say whether the token is good: ' . ($result['error'] ?: 'the answer is not one'));
        }
        $this->remember($token, $result['body']);
        return $result['body'];
    }

    /**
     * Signs out: ends the whole session of an access or refresh token (RFC 7009).
     * A token that is not known is no error.
     *
     * @return array as report() returns it.
     */
    public function revoke(
        #[\SensitiveParameter]
        string $token
    ): array {
        $this->forget($token);
        return $this->form('/v1/revoke', ['token' => $token]);
    }

    /**
     * Reports that a user signed in on a device.
     *
     * @param array $login user (required), session, platform, app_version, build,
     *                     created, expires (RFC 3339), personal (username,
     *                     display_name, avatar_url, device_label, user_agent, ip).
     *                     Repeating it changes nothing.
     *
     * @return array as report() returns it; body has session, and tokens if posse
     *               mints them.
     */
    public function login(array $login): array
    {
        return $this->report('POST', '/v1/sessions', $login);
    }

    /**
     * Reports that a session's token was renewed.
     *
     * @param array $refresh user (required), expires (RFC 3339), ip, user_agent.
     *
     * @return array as report() returns it. The reasons session_ended,
     *               session_expired and not_found mean that nobody may renew it.
     */
    public function refresh(string $session, array $refresh): array
    {
        return $this->report('POST', '/v1/sessions/' . rawurlencode($session) . '/refresh', $refresh);
    }

    /**
     * Reports that a session made a request. Once per session in half a minute is
     * enough.
     *
     * @param array $touch user and session (required), ip, user_agent.
     *
     * @return array as report() returns it.
     */
    public function touch(array $touch): array
    {
        return $this->report('POST', '/v1/touches', $touch);
    }

    /**
     * Ends a session by its id: somebody terminated it.
     *
     * @return array as report() returns it.
     */
    public function end(string $session): array
    {
        return $this->report('DELETE', '/v1/sessions/' . rawurlencode($session), []);
    }

    /**
     * Makes a text of a stranger's fit to be reported: valid UTF-8 without control
     * characters, at most so many bytes.
     */
    public static function text(string $text, int $most): string
    {
        if (preg_match('//u', $text) !== 1) {
            $text = preg_replace('/[^\x20-\x7E]/', '', $text);
        }
        $text = (string) substr(preg_replace('/[\x00-\x1F\x7F]/', '', $text), 0, $most);
        // What a cut left of a character.
        return preg_match('//u', $text) === 1 ? $text : preg_replace('/[\xC0-\xFF][\x80-\xBF]*\z/', '', $text);
    }

    /**
     * Sends JSON. It does not throw: a report that fails must not stop a till.
     *
     * @return array ok (bool), status (0 if there was no answer), reason (posse's word
     *               for what is wrong, such as session_ended), body (array), error (a
     *               sentence for your log, "" if ok).
     */
    private function report(string $method, string $path, array $fields): array
    {
        $json = json_encode((object) $fields, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES);
        return $this->send($method, $path, 'application/json', (string) $json);
    }

    private function form(string $path, array $fields): array
    {
        return $this->send('POST', $path, 'application/x-www-form-urlencoded', http_build_query($fields, '', '&'));
    }

    private function send(string $method, string $path, string $type, string $body): array
    {
        $headers = [
            'Authorization: Bearer ' . $this->key, 'Content-Type: ' . $type, 'Accept: application/json',
            'Content-Length: ' . strlen($body), 'User-Agent: posse-php', 'Connection: close',
        ];
        [$status, $text, $fault] = extension_loaded('curl')
            ? $this->sendByCurl($method, $path, $headers, $body)
            : $this->sendByStream($method, $path, $headers, $body);
        $answer = json_decode($text, true, 32);
        $answer = is_array($answer) ? $answer : [];
        $ok = $fault === '' && $status >= 200 && $status < 300;
        $reason = self::word($answer['reason'] ?? $answer['error'] ?? '');
        if (!$ok && $fault === '') {
            $fault = "it answered $status" . ($reason === '' ? '' : " $reason");
        }
        return [
            'ok' => $ok, 'status' => $status, 'reason' => $reason, 'body' => $answer,
            'error' => $ok ? '' : "posse, $method " . explode('/', $path)[2] . ": $fault",
        ];
    }

    /** Only what looks like one of posse's reasons reaches a log. */
    private static function word($reason): string
    {
        return is_string($reason) && preg_match('/\A[a-z_]{1,40}\z/', $reason) ? $reason : '';
    }

    /** @return array status, body, fault ("" if there was an answer) */
    private function sendByCurl(string $method, string $path, array $headers, string $body): array
    {
        $text = '';
        $options = [
            CURLOPT_URL => $this->url . $path, CURLOPT_CUSTOMREQUEST => $method, CURLOPT_POSTFIELDS => $body,
            CURLOPT_HTTPHEADER => array_merge($headers, ['Expect:']),
            CURLOPT_TIMEOUT_MS => (int) ($this->timeout * 1000), CURLOPT_CONNECTTIMEOUT_MS => (int) ($this->timeout * 1000),
            CURLOPT_NOSIGNAL => true, CURLOPT_FOLLOWLOCATION => false, CURLOPT_PROXY => '',
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_SSL_VERIFYPEER => true, CURLOPT_SSL_VERIFYHOST => 2,
            CURLOPT_WRITEFUNCTION => static function ($_, string $part) use (&$text): int {
                $text .= $part;
                return strlen($text) > self::MAX_ANSWER ? 0 : strlen($part); // 0 ends the transfer
            },
        ];
        if ($this->caFile !== '') {
            $options[CURLOPT_CAINFO] = $this->caFile;
        }
        $curl = curl_init();
        curl_setopt_array($curl, $options);
        if (curl_exec($curl) === false) {
            return [0, '', 'no answer (' . curl_strerror(curl_errno($curl)) . ')'];
        }
        return [(int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $text, ''];
    }

    /** @return array status, body, fault ("" if there was an answer) */
    private function sendByStream(string $method, string $path, array $headers, string $body): array
    {
        $tls = ['verify_peer' => true, 'verify_peer_name' => true, 'allow_self_signed' => false];
        if ($this->caFile !== '') {
            $tls['cafile'] = $this->caFile;
        }
        $context = stream_context_create([
            'http' => [
                'method' => $method, 'header' => $headers, 'content' => $body, 'timeout' => $this->timeout,
                'protocol_version' => 1.1, 'follow_location' => 0, 'ignore_errors' => true,
            ],
            'ssl' => $tls,
        ]);
        $deadline = microtime(true) + $this->timeout;
        $faults = [];
        set_error_handler(static function (int $_, string $warning) use (&$faults): bool {
            $faults[] = $warning; // it names the address and the fault, and no header
            return true;
        });
        $stream = fopen($this->url . $path, 'rb', false, $context);
        restore_error_handler();
        if ($stream === false) {
            return [0, '', 'no answer (' . self::text($faults[0] ?? '', 200) . ')'];
        }
        $status = preg_match('#\AHTTP/\S+ (\d{3})#', stream_get_meta_data($stream)['wrapper_data'][0] ?? '', $match) ? (int) $match[1] : 0;
        $text = '';
        while (!feof($stream)) {
            $left = $deadline - microtime(true);
            if ($left <= 0 || strlen($text) > self::MAX_ANSWER) {
                fclose($stream);
                return [0, '', $left <= 0 ? 'no answer in time' : 'the answer is too long'];
            }
            stream_set_timeout($stream, (int) $left, (int) (fmod($left, 1) * 1e6));
            $text .= (string) fread($stream, 8192);
        }
        fclose($stream);
        return [$status, $text, ''];
    }

    /**
     * Answers are kept under a keyed hash of the token, never under the token: in APCu
     * if PHP has it, for all processes of the machine, and otherwise for as long as
     * this object lives, which under PHP-FPM is one request.
     */
    private function name(string $token): string
    {
        return 'posse:' . hash_hmac('sha256', $token, $this->url . "\n" . $this->key);
    }

    private static function hasAPCu(): bool
    {
        return function_exists('apcu_enabled') && apcu_enabled();
    }

    private function remembered(string $token): ?array
    {
        $name = $this->name($token);
        $kept = self::hasAPCu() ? apcu_fetch($name) : ($this->cached[$name] ?? false);
        return is_array($kept) && $kept['until'] > microtime(true) ? $kept['answer'] : null;
    }

    private function remember(string $token, array $answer): void
    {
        $now = microtime(true);
        $until = $now + self::MAX_AGE_INACTIVE;
        if ($answer['active']) {
            $until = min($now + $this->maxAge, (float) ($answer['exp'] ?? 0));
        }
        if ($until <= $now) {
            return;
        }
        $kept = ['answer' => $answer, 'until' => $until];
        if (self::hasAPCu()) {
            apcu_store($this->name($token), $kept, (int) ceil($until - $now));
            return;
        }
        if (count($this->cached) >= self::MAX_CACHED) {
            array_shift($this->cached);
        }
        $this->cached[$this->name($token)] = $kept;
    }

    private function forget(string $token): void
    {
        $name = $this->name($token);
        unset($this->cached[$name]);
        if (self::hasAPCu()) {
            apcu_delete($name);
        }
    }
}
