/** What a package does with a failed call when nobody has set anything. */
export interface RetryDefault {
  readonly package: string
  /**
   * `client`: it makes the write itself. `model`: it makes model calls, and waits in front of whatever they lead to.
   * `layer`: it runs your function again, writes included.
   */
  readonly kind: 'client' | 'model' | 'layer'
  /** Attempts of one POST, or runs of one function; Infinity for "until it succeeds". */
  readonly attempts: number
  /** Milliseconds that one attempt may take; undefined where nothing ends it. */
  readonly timeoutMs?: number
  /** What makes the repeats harmless, or shows them. */
  readonly fix: string
  /** Where the figures come from. */
  readonly source: string
}

const MINUTE_MS = 60_000
const KEYED = 'send through ctx.fetch, so that all attempts carry one key'

/** Defaults of packages that people call tools and writes with, measured or read in the package named as source. */
export const RETRY_DEFAULTS: readonly RetryDefault[] = [
  {
    package: 'stripe',
    kind: 'client',
    attempts: 3,
    timeoutMs: 80_000,
    fix: "pass { idempotencyKey: ctx.downstreamKey('stripe') }: its own key is new at every call; maxNetworkRetries: 0 still repeats a closed connection once",
    source: 'stripe 23, measured; src/RequestSender',
  },
  {
    package: '@slack/web-api',
    kind: 'client',
    attempts: 11,
    fix: 'new WebClient(token, { retryConfig: { retries: 0 } }), and probe() for its outcome: Slack takes no key',
    source: '@slack/web-api, retryPolicies.tenRetriesInAboutThirtyMinutes',
  },
  {
    package: 'agentmail',
    kind: 'client',
    attempts: 3,
    timeoutMs: MINUTE_MS,
    fix: 'pass { maxRetries: 0 } per request, or the Idempotency-Key header with ctx.downstreamKey("agentmail")',
    source: 'agentmail, its request options (408, 429, 5xx)',
  },
  { package: 'axios', kind: 'client', attempts: 1, fix: KEYED, source: 'axios 1.21, measured' },
  {
    package: 'got',
    kind: 'client',
    attempts: 1,
    fix: KEYED,
    source: 'got 14, measured: POST once, PUT and DELETE three times',
  },
  {
    package: 'ky',
    kind: 'client',
    attempts: 1,
    timeoutMs: 10_000,
    fix: KEYED,
    source: 'ky 1.14, measured: POST once, PUT and DELETE three times',
  },
  {
    package: '@modelcontextprotocol/sdk',
    kind: 'client',
    attempts: 1,
    timeoutMs: MINUTE_MS,
    fix: 'put `onefold mcp --` in front of the server: after its time-out the call goes on, and the model calls again',
    source: '@modelcontextprotocol/sdk 1.32, DEFAULT_REQUEST_TIMEOUT_MSEC',
  },
  model('openai', 3, 10 * MINUTE_MS, 'new OpenAI({ maxRetries: 0, timeout: 20_000 })', 'openai 6 and 7, measured'),
  model(
    '@anthropic-ai/sdk',
    3,
    10 * MINUTE_MS,
    'new Anthropic({ maxRetries: 0, timeout: 20_000 })',
    '@anthropic-ai/sdk 1.12, measured',
  ),
  model('ai', 3, undefined, 'generateText({ maxRetries: 0, abortSignal })', 'ai 7, measured'),
  model('@langchain/core', 7, undefined, 'pass { maxRetries: 0 } to the model', '@langchain/core, AsyncCaller'),
  layer(
    '@temporalio/worker',
    Infinity,
    'set retry: { maximumAttempts } on the activity',
    'docs.temporal.io/retry-policies',
  ),
  layer('inngest', 5, 'set retries: 0 on the function, or throw NonRetriableError', 'inngest, retries: 4 by default'),
  layer('workflow', 4, 'set maxRetries = 0 on the step, or throw FatalError', 'workflow 4.8, DEFAULT_STEP_MAX_RETRIES'),
  layer('@dbos-inc/vercel-ai', 3, 'pass { retriesAllowed: false }', '@dbos-inc/vercel-ai 0.1.5, measured'),
]

function model(
  name: string,
  attempts: number,
  timeoutMs: number | undefined,
  fix: string,
  source: string,
): RetryDefault {
  return { package: name, kind: 'model', attempts, ...(timeoutMs === undefined ? {} : { timeoutMs }), fix, source }
}

function layer(name: string, attempts: number, set: string, source: string): RetryDefault {
  const fix = `${set}; and protect every write under it with a tool, which a repeated run replays`
  return { package: name, kind: 'layer', attempts, fix, source }
}
