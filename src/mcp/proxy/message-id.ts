/**
 * One text for all ways to write a JSON-RPC id: a server may answer `"a"` to `"\\u0061"`. Digits are kept as they are,
 * since ids beyond 2^53 would otherwise meet.
 */
export function idKey(text: string): string {
  if (/^-?\d+$/.test(text)) return text
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return text
  }
}
