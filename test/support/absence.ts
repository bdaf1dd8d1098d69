const told = new Set<string>()

/**
 * Says, in one visible line, that something a test needs is not on this machine; the test is then left out. Where
 * REQUIRE_SERVERS=1 says that everything has to be here, it is a failure instead.
 */
export function absent(what: string): void {
  if (process.env['REQUIRE_SERVERS'] === '1')
    throw new Error(`${what}, and REQUIRE_SERVERS=1 says that it has to be here`)
  if (told.has(what)) return
  told.add(what)
  process.stdout.write(`left out: ${what}\n`)
}
