import type { Duration, ProbeAnswer, ProbeContext, Recovery } from '../contract/index.ts'
import { currentOperation, ownerOf, type Guard } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import {
  compactBody,
  errorsOf,
  judge,
  kept,
  viewOf,
  withBody,
  type Answer,
  type DeclaredError,
  type DeclaredWrite,
  type FrozenRequest,
  type HttpRules,
  type KeyRule,
  type Reach,
  type RequestView,
} from './exchange/index.ts'

/** What a probe of a route is told about the request, and what it answers. */
export type RouteProbe = (request: RequestView, context: ProbeContext) => Promise<ProbeAnswer<Response>>

/** A write route, as a program declares it. */
export interface WriteRoute {
  /** As `POST /v1/orders/:id`; the first route that fits is taken. */
  readonly match: string
  readonly effect?: 'write'
  /** @default 'derived' where identity is given, else 'required' */
  readonly key?: KeyRule
  /** Dotted paths beginning with `body`, `path`, `query` or `headers`, or `'all'`. May be left out with `key: 'required'`. */
  readonly identity?: readonly string[] | 'all'
  /** What settles an unknown outcome: `keyed`, `manual`, `probe`, `idempotent` or `composite` of `onefold`. */
  readonly recovery: Recovery<RequestView, Response>
  /** Paths that may differ on a repeat. @default [] */
  readonly ignore?: readonly string[]
  /** @default 'tenant' */
  readonly scope?: 'tenant' | 'session' | 'run'
  /** Major version of the contract; an open record of another major fails closed. @default 1 */
  readonly version?: number
  /** How long an answer is replayed. @default '24h' */
  readonly retention?: Duration
  /** How long any caller above may retry. @default '24h', or `retention` where that is shorter */
  readonly retryHorizon?: Duration
  /** Deadline of one execution of the handler. @default '60s' */
  readonly timeout?: Duration
  /** How answers are read, before the service's own `errors`. @default [] */
  readonly errors?: readonly DeclaredError[]
  /** Path of the occurrence. @default none */
  readonly occurrenceField?: string
  /** Path of the amount, for receipts. @default none */
  readonly amount?: string
  /** Serialises distinct requests that are equal at these paths. @default none */
  readonly exclusive?: readonly string[]
  /** Promotes a 202 to "done". */
  readonly verify?: (answer: Response, context: { readonly signal: AbortSignal }) => Promise<boolean | undefined>
}

export type Route = WriteRoute | { readonly match: string; readonly effect: 'read' }

/** Options of every form of the middleware. */
export interface HttpOptions extends Partial<Omit<HttpRules, 'unknownRoutes'>> {
  /** What becomes of writes that no route declares. @default guarded, afterDelivery: 'run', afterError: 'hold' */
  readonly unknownRoutes?: Partial<HttpRules['unknownRoutes']>
  /** Name of the service in contracts and in the ledger; the same after every restart. @default 'http' */
  readonly name?: string
  readonly routes: readonly Route[]
  /** Largest body of a write, in bytes. @default 1048576 */
  readonly bodyBytes?: number
}

/** Runs a frozen request once more, for recovery; absent where a form cannot. */
export type Again = (request: Request, params: Readonly<Record<string, string>>, context: never) => Promise<Response>

/** The data of a route; its functions go another way, by {@link routeReach}. */
export function declaredOf(route: WriteRoute): DeclaredWrite {
  const { match: _match, recovery, key, verify: _verify, identity, ...rest } = route
  return {
    ...rest,
    effect: 'write',
    key: key ?? (identity === undefined ? 'required' : 'derived'),
    identity,
    // Only its class is looked at; the recovery itself is the route's own.
    recovery: { class: recovery.class } as DeclaredWrite['recovery'],
  }
}

const NEEDS_AGAIN = ['keyed', 'idempotent', 'composite']

/**
 * How a route settles its doubts inside this program.
 * @throws OnefoldError CONTRACT_INVALID for a class that this form of the middleware cannot carry out
 */
export function routeReach(
  guard: Guard,
  route: WriteRoute,
  again: Again | undefined,
  replayHeaders: ReadonlySet<string>,
  rules: HttpRules,
): Reach {
  const { recovery, verify } = route
  if (recovery.class === 'transactional' || (again === undefined && NEEDS_AGAIN.includes(recovery.class))) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `${route.match} cannot be ${recovery.class} here: this form cannot run the handler again by itself. Use protectHandler, or manual() or probe(). Nothing was registered.`,
    )
  }
  const keep = (answer: Answer): Answer => kept(answer, replayHeaders)
  const errors = errorsOf(declaredOf(route), rules)
  return {
    recovery: adapted(guard, recovery, keep),
    ...(verify === undefined
      ? {}
      : {
          verify: async (answer, context) => (answer.status === 202 ? await verify(responseOf(answer), context) : true),
        }),
    ...(again === undefined
      ? {}
      : {
          again: async (frozen, context) => {
            const request = await requestOf(guard, frozen, context)
            currentOperation()?.port.checkpoint()
            return keep(judge(await answerFrom(await again(request, frozen.params, context as never)), errors))
          },
        }),
  }
}

/** Functions of the route see the request as identities do, and answer as handlers do. */
function adapted(guard: Guard, recovery: Recovery<RequestView, Response>, keep: (answer: Answer) => Answer): Recovery {
  const view = async (input: unknown, context: ProbeContext): Promise<RequestView> =>
    viewOf(
      await withBody(
        input as FrozenRequest,
        async (sha256) => await guard.internals.blobs.getBlob(ownerOf(context), sha256),
      ),
    )
  if (recovery.class === 'idempotent') {
    const { precondition } = recovery
    return {
      ...recovery,
      precondition: async (input: unknown, context: ProbeContext) =>
        await precondition(await view(input, context), context),
    } as Recovery
  }
  if (!('probe' in recovery) || recovery.probe === undefined) return recovery as unknown as Recovery
  const { probe } = recovery
  return {
    ...recovery,
    probe: async (input: unknown, context: ProbeContext) => {
      const found = await probe(await view(input, context), context)
      return found.found === true ? { found: true, value: keep(await answerFrom(found.value)) } : found
    },
  } as unknown as Recovery
}

/** A response read to its end. */
export async function answerFrom(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  return { status: response.status, headers: headersOf(response.headers), body: compactBody(bytes) }
}

export function headersOf(headers: Headers): Answer['headers'] {
  const found: (readonly [string, string])[] = []
  for (const [name, value] of headers) if (name !== 'content-length') found.push([name, value])
  return found
}

type Body = NonNullable<ConstructorParameters<typeof Response>[0]>

/** Statuses that may have no body (Fetch, null body status). */
const BODILESS = new Set([101, 103, 204, 205, 304])

export function responseOf(answer: Answer): Response {
  const { status, body } = answer
  const init = { status, headers: answer.headers.map(([name, value]): [string, string] => [name, value]) }
  return new Response(BODILESS.has(status) ? null : ((body ?? '') as Body), init)
}

/** @throws Error for a body that was not kept; nothing was sent then */
async function requestOf(guard: Guard, frozen: FrozenRequest, context: ProbeContext): Promise<Request> {
  const body = await bodyOf(guard, frozen, context)
  const { host } = frozen.headers
  const origin = host !== undefined && URL.canParse(`http://${host}`) ? `http://${host}` : 'http://onefold.invalid'
  return new Request(`${origin}${frozen.path}${frozen.search}`, {
    method: frozen.method,
    headers: frozen.headers,
    ...(body === undefined ? {} : { body }),
  })
}

async function bodyOf(guard: Guard, { body }: FrozenRequest, context: ProbeContext): Promise<Body | undefined> {
  if (body === null) return undefined
  if ('text' in body) return body.text
  if ('base64' in body) return Buffer.from(body.base64, 'base64') as Body
  if ('value' in body) return JSON.stringify(body.value)
  const bytes = await guard.internals.blobs.getBlob(ownerOf(context), body.sha256)
  if (bytes === undefined) throw new Error('the body of the request was not kept')
  return bytes as Body
}
