<?php
/**
 * What the tests here are made of: named functions, comparisons, and an exit status.
 */

declare(strict_types=1);

error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
ini_set('error_log', getenv('POSSE_LOG') ?: '/dev/stderr');
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    throw new ErrorException($message, 0, $level, $file, $line);
});

$failures = [];
$name = '';
$apcu = null; // what APCu holds, or null if PHP has no APCu
$apcu_off = false;

/** env returns a variable that has to be set. */
function env(string $variable): string
{
    $value = getenv($variable);
    if ($value === false || $value === '') {
        fwrite(STDERR, "$variable is not set: run `go test ./services/posse -run PHP`\n");
        exit(2);
    }
    return $value;
}

function test(string $what, callable $do): void
{
    global $name, $failures;
    $name = $what;
    $before = count($failures);
    try {
        $do();
    } catch (Throwable $thrown) {
        $failures[] = "$what: $thrown";
    }
    echo count($failures) === $before ? "ok   $what\n" : "FAIL $what\n";
}

function check(bool $ok, string $what): void
{
    global $name, $failures;
    if (!$ok) {
        $failures[] = "$name: $what";
    }
}

function same($want, $got, string $what): void
{
    check($want === $got, "$what: want " . json_encode($want) . ', got ' . json_encode($got));
}

/** eventually waits for a condition, ten seconds at most. */
function eventually(string $what, callable $condition): void
{
    for ($deadline = microtime(true) + 10; microtime(true) < $deadline; usleep(5000)) {
        if ($condition()) {
            return;
        }
    }
    check(false, "waited in vain: $what");
}

/** verdict is what a decision comes to. */
function verdict(array $decision): array
{
    check($decision['admitted'] === ($decision['status'] === 200), 'admitted is 200');
    return [$decision['status'], $decision['reason']];
}

function reasons(array $report): array
{
    return [$report['status'], $report['reason']];
}

function finish(): void
{
    global $failures;
    foreach ($failures as $failure) {
        fwrite(STDERR, "$failure\n");
    }
    exit($failures === [] ? 0 : 1);
}

// A stand-in for APCu, which php-cli seldom has. An entry is a value and its time.
if (!function_exists('apcu_enabled')) {
    function apcu_enabled(): bool
    {
        return $GLOBALS['apcu'] !== null && !$GLOBALS['apcu_off'];
    }

    function apcu_fetch(string $name)
    {
        return $GLOBALS['apcu'][$name][0] ?? false;
    }

    function apcu_store(string $name, $value, int $ttl): bool
    {
        $GLOBALS['apcu'][$name] = [$value, $ttl];
        return true;
    }

    function apcu_delete(string $name): bool
    {
        unset($GLOBALS['apcu'][$name]);
        return true;
    }
}
