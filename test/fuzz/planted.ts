/** A bug behind five bytes, each of which has to be right before the next one matters. */
export function planted(input: Buffer): void {
  if (input[0] !== 0x6f) return
  if (input[1] !== 0x6e) return
  if (input[2] !== 0x65) return
  if (input[3] !== 0x7b) return
  if (input[4] === 0xff) throw new TypeError('the planted bug')
}
