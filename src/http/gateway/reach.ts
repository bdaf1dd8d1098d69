import type { ProbeContext } from '../../contract/index.ts'
import { ownerOf, UnsentError, type Guard } from '../../engine/index.ts'
import {
  errorsOf,
  judge,
  withBody,
  type Answer,
  type DeclaredProbe,
  type DeclaredWrite,
  type FrozenRequest,
  type HttpRules,
  type Reach,
  type WritePlan,
} from '../exchange/index.ts'
import type { ForwardOptions, Secrets, Upstream } from '../edge/index.ts'
import { captureAnswer } from './capture.ts'
import { askingHeaders, frozenHeaders, sentKey } from './forward.ts'
import { probeTarget, readProbe, readVerify, verifyTarget } from './probe.ts'

export interface ReachOptions {
  readonly guard: Guard
  readonly upstream: Upstream
  readonly forward: ForwardOptions
  readonly secrets: Secrets
  readonly answerBytes: number
  readonly rules: HttpRules
}

const NOBODY = 'nobody with the credentials has asked since'

type KeepAnswer = (answer: Answer) => Answer

/** How the gateway reaches the service when no client of the operation is there. */
export function createReach(options: ReachOptions, keep: KeepAnswer): (declared: DeclaredWrite) => Reach {
  const { guard, upstream, secrets, answerBytes } = options
  const capture = { service: upstream.url, answerBytes, live: undefined, errors: [] }
  const getBlob = (context: Pick<ProbeContext, 'key' | 'run'>) => async (sha256: string) =>
    await guard.internals.blobs.getBlob(ownerOf(context), sha256)

  async function get(target: string, own: readonly string[], signal: AbortSignal): Promise<Answer> {
    const headers = ['accept', 'application/json', ...own]
    const incoming = await upstream.send({ method: 'GET', target, headers, body: undefined, signal })
    return await captureAnswer(incoming, capture)
  }

  async function bodyOf({ body }: FrozenRequest, context: ProbeContext): Promise<Uint8Array | undefined> {
    if (body === null) return undefined
    if ('text' in body) return Buffer.from(body.text)
    if ('base64' in body) return Buffer.from(body.base64, 'base64')
    if ('value' in body) return Buffer.from(JSON.stringify(body.value))
    const bytes = body.blob === true ? await getBlob(context)(body.sha256) : undefined
    if (bytes === undefined) throw new UnsentError('the body of the request was not kept')
    return bytes
  }

  /**
   * The credentials that a request needs, as this process last saw them of its principal; undefined when nobody with
   * them has asked since it began.
   */
  const credentialsOf = ({ secret, proof }: FrozenRequest, run: ProbeContext['run']): readonly string[] | undefined =>
    secret ? known(run, proof) : []

  const known = (run: ProbeContext['run'], proof?: string): readonly string[] | undefined =>
    run?.session === undefined
      ? undefined
      : secrets.of({
          tenant: options.rules.tenantHeader === undefined ? undefined : run.tenant,
          session: run.session,
          proof,
        })

  const again =
    (declared: DeclaredWrite): NonNullable<Reach['again']> =>
    async (frozen, context) => {
      const credentials = credentialsOf(frozen, context.run)
      // Without the caller's credentials it would be refused, which proves nothing about the first send.
      if (credentials === undefined) throw new UnsentError(NOBODY)
      const body = await bodyOf(frozen, context)
      const plan = { declared } as WritePlan
      const headers = frozenHeaders(frozen, plan, context, credentials, options.forward)
      if (body !== undefined) headers.push('content-length', String(body.byteLength))
      const incoming = await upstream.send({
        method: frozen.method,
        target: frozen.path + frozen.search,
        headers,
        body,
        checkpoint: context.checkpoint,
        signal: context.signal,
      })
      return keep(judge(await captureAnswer(incoming, capture), errorsOf(declared, options.rules)))
    }

  const probing =
    (declared: DeclaredWrite, probe: DeclaredProbe): NonNullable<Reach['probe']> =>
    async (frozen, context) => {
      const whole = await withBody(frozen, getBlob(context))
      const target = probeTarget(probe, whole, sentKey(declared, frozen) ?? context.downstreamKey())
      if (target === undefined) return { found: 'unknown', why: 'the request has no value for a part of the probe' }
      const credentials = credentialsOf(frozen, context.run)
      // What nobody may see is told as absent, which would be read as permission to do it again.
      if (credentials === undefined) return { found: 'unknown', why: NOBODY }
      const found = readProbe(
        await get(target, askingHeaders(frozen, credentials, options.forward), context.signal),
        probe.found,
      )
      return found.found === true ? { found: true, value: keep(found.value) } : found
    }

  const verifying =
    (declared: DeclaredProbe): NonNullable<Reach['verify']> =>
    async (answer, context) => {
      // Only "accepted" (RFC 9110 section 15.3.3) leaves anything to ask.
      if (answer.status !== 202) return true
      const target = verifyTarget(declared, answer)
      if (target === undefined) return undefined
      const own = ['host', upstream.url.host, ...(known(context.run) ?? [])]
      // Without them it may be refused, which is "not known yet".
      return readVerify(await get(target, own, context.signal), declared.found)
    }

  return (declared) => {
    const { recovery } = declared
    return {
      again: again(declared),
      ...('probe' in recovery && recovery.probe !== undefined ? { probe: probing(declared, recovery.probe) } : {}),
      ...(declared.verify === undefined ? {} : { verify: verifying(declared.verify) }),
    }
  }
}
