/**
 * What a streaming tool yields, while a call through the ledger goes on: its preliminary results as they come, and at
 * the end the result of the call, which is the last of them unless it is an earlier call's. Who stops reading ends
 * nothing: the call goes on to its end.
 */
export async function* streamed(
  call: (yielded: (value: unknown) => void) => Promise<unknown>,
): AsyncGenerator<unknown, void, undefined> {
  const values: unknown[] = []
  let wake = (): void => {}
  let ended: { readonly value: unknown } | { readonly error: unknown } | undefined
  const end = (how: NonNullable<typeof ended>): void => {
    ended = how
    wake()
  }
  call((value) => {
    values.push(value)
    wake()
  }).then(
    (value) => end({ value }),
    (error: unknown) => end({ error }),
  )
  let told = 0
  for (;;) {
    while (told < values.length) yield values[told++]
    if (ended !== undefined) break
    await new Promise<void>((resolve) => (wake = resolve))
  }
  if ('error' in ended) throw ended.error
  if (values.length === 0 || values.at(-1) !== ended.value) yield ended.value
}
