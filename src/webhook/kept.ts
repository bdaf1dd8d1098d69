import type { ProbeContext, Recovery } from '../contract/index.ts'
import { ownerOf, type Guard, type KeptBytes } from '../engine/index.ts'
import { canonicalize, fingerprintText } from '../key/index.ts'
import type { Delivery } from './scheme.ts'

/**
 * A delivery in the ledger. `printed`: its body is JSON text that the ledger's own form of JSON cannot hold. `beside`: the
 * text is too large for a record; its body is the name under which it lies beside.
 */
export type Kept = Delivery & { readonly printed?: true; readonly beside?: true }

/** Characters of a body that are kept in the record itself; a record's input ends at 1 MiB, and senders go up to 25 MB. */
const MOST_INSIDE = 256 * 1024

/** What the ledger keeps of a delivery, and what of it lies beside the record. */
export interface Keeping {
  readonly kept: Kept
  readonly large: KeptBytes | undefined
}

/**
 * Makes a delivery such that the ledger can keep it, and hand it to a recovery. Ids beyond 2^53, half surrogates and deep
 * nesting are everyday in what senders deliver; only `id` identifies.
 */
export function keepingOf(delivery: Delivery): Keeping {
  // JSON without absent members.
  const json = JSON.parse(JSON.stringify(delivery)) as Delivery
  const text = json.body === undefined ? 'null' : JSON.stringify(json.body)
  if (text.length > MOST_INSIDE) {
    const sha256 = fingerprintText(text)
    return { kept: { ...json, body: sha256, beside: true }, large: { sha256, bytes: Buffer.from(text) } }
  }
  try {
    canonicalize(json)
    return { kept: json, large: undefined }
  } catch {
    return { kept: { ...json, body: text, printed: true }, large: undefined }
  }
}

/** The delivery as its sender made it. @throws Error where its body is gone */
export async function unkeep(
  guard: Guard,
  { printed, beside, ...delivery }: Kept,
  context: Pick<ProbeContext, 'key' | 'run'>,
): Promise<Delivery> {
  if (printed === true) return { ...delivery, body: JSON.parse(String(delivery.body)) as unknown }
  if (beside !== true) return delivery
  const bytes = await guard.internals.blobs.getBlob(ownerOf(context), String(delivery.body))
  if (bytes === undefined) throw new Error(`the body of event ${delivery.id} is no longer in the ledger`)
  return { ...delivery, body: JSON.parse(Buffer.from(bytes).toString()) as unknown }
}

/** What a recovery asks with is the event as its handler got it. */
export function unkeeping(guard: Guard, recovery: Recovery<Delivery, unknown>): Recovery<Kept, unknown> {
  const asking = (name: 'probe' | 'precondition'): object => {
    const ask = (recovery as Partial<Record<typeof name, (event: Delivery, context: ProbeContext) => unknown>>)[name]
    if (ask === undefined) return {}
    return {
      [name]: async (input: Kept, context: ProbeContext) => await ask(await unkeep(guard, input, context), context),
    }
  }
  return { ...recovery, ...asking('probe'), ...asking('precondition') } as Recovery<Kept, unknown>
}
