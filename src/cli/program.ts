import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option, type OptionValues } from 'commander'

/** What a command resolves to: the exit code. */
type Action = (...args: never[]) => Promise<number>

/** Takes the exit code of the command that ran. */
export type Done = (code: number) => void

/**
 * The command line. Commands are loaded when they run; `--help` and a mistyped flag load none of them.
 * @param done told the exit code of the command that ran
 * @param json true where wrong use is told as data, by the caller
 */
export function createProgram(done: Done, json = false): Command {
  /** Loads a command and hands it its arguments and options, without commander's own last argument. */
  const run =
    (load: () => Promise<Action>) =>
    async (...args: unknown[]): Promise<void> => {
      const action = await load()
      done(await action(...(args.slice(0, -1) as never[])))
    }

  const program = new Command('onefold')
    .description('Every side effect of an AI agent happens once: a ledger between the agent and the tools it calls.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureOutput(json ? { writeErr: () => {} } : {})
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', () => examples(ROOT_EXAMPLES) + EXIT_CODES)

  addInit(program, run)
  addMcp(program, run)
  addGateway(program, run)
  addLedger(program, run)
  addAudit(program, run)
  const doctor = withWhere(command(program, 'doctor', 'check the ledger, the clock and the configuration'))
    .option('--retries', 'instead: time-outs and retries that this project inherits in front of its writes')
    .option(
      '--layer <name=NxTIME>',
      'with --retries: what repeats the program, outermost first; may be repeated',
      gather,
    )
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples([
        'onefold doctor',
        'onefold doctor --store sqlite:./effects.db --json',
        'onefold doctor --retries --layer gateway=4x30s',
      ]),
    )
    .action(run(async () => (await import('./doctor.ts')).doctor))
  only(doctor, ['layer'], 'with --retries', ({ retries }) => retries === true)
  only(doctor, ['config', 'store', 'tenant'], 'without --retries', ({ retries }) => retries !== true)
  const demo = command(program, 'demo', 'run an incident without and with Onefold, and print both end states')
    .argument('[name]', 'which one (default: list them)')
    .option('--seed <number>', 'which answers are lost', whole(0), 7)
    .option('--orders <number>', 'black-friday: how many; five effects each', whole(1), 4_200)
    .option('--returns <number>', 'lost-answers: how many; three effects each', whole(1), 20)
    .option('--keep', 'keep the ledger, to look around in it')
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples([
        'onefold demo',
        'onefold demo black-friday',
        'onefold demo IN-3',
        'onefold demo lost-answers --seed 3 --keep',
      ]),
    )
    .action(run(async () => (await import('./demo/command.ts')).demo))
  const played = ['black-friday', 'lost-answers']
  only(demo, ['orders'], 'for black-friday', (_options, name) => name === 'black-friday')
  only(demo, ['returns'], 'for lost-answers', (_options, name) => name === 'lost-answers')
  only(demo, ['seed', 'keep'], `for ${played.join(' and ')}`, (_options, name) => played.includes(String(name)))
  addChaos(program, run)
  return program
}

type Run = (load: () => Promise<Action>) => (...args: unknown[]) => Promise<void>

const command = (parent: Command, name: string, description: string): Command =>
  parent.command(name).description(description)

function addInit(program: Command, run: Run): void {
  command(program, 'init', 'look at an MCP server’s tools: print the client entry and a starter onefold.yaml')
    .usage('[options] -- COMMAND [ARGS...]')
    .argument('<command>', 'the MCP server; it is started, asked for its tools, and ended')
    .argument('[args...]', 'its arguments')
    .option('--write <file>', 'write the starter file there; never over one that is there')
    .addOption(jsonFlag())
    .passThroughOptions()
    .addHelpText(
      'after',
      examples([
        'onefold init -- npx @modelcontextprotocol/server-filesystem /data',
        'onefold init --write onefold.yaml -- node server.js',
      ]),
    )
    .action(run(async () => (await import('./init.ts')).init))
}

function addAudit(program: Command, run: Run): void {
  const group = command(program, 'audit', 'look for what lets a repeat act twice').helpCommand(false)
  command(group, 'tools', 'check an MCP server’s tool list; exit 1 on findings')
    .usage('[options] -- COMMAND [ARGS...]')
    .argument('<command>', 'the MCP server; it is started, asked for its tools, and ended')
    .argument('[args...]', 'its arguments')
    .addOption(jsonFlag())
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Rules: no-identity · model-visible-key · fresh-key · contradicting-annotation
${examples(['onefold audit tools -- npx @modelcontextprotocol/server-memory', 'onefold audit tools --json -- node server.js'])}`,
    )
    .action(run(async () => (await import('./audit-tools.ts')).auditToolList))
}

function addChaos(program: Command, run: Run): void {
  command(program, 'chaos', 'run a workflow with every fault at every call, and compare end states')
    .argument('<file>', 'a module that exports chaos = { workflow, snapshot, … }')
    .option('--seed <number>', 'which random combinations of faults (default: the file’s, then 1)', whole(0))
    .option('--combinations <number>', 'how many of them (default: the file’s, then 20)', whole(0))
    .option('--junit <file>', 'write JUnit XML there')
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(['onefold chaos workflow.ts', 'onefold chaos workflow.ts --seed 7 --junit report.xml']),
    )
    .action(run(async () => (await import('./chaos.ts')).chaos))

  const probe = command(program, 'probe', 'fire duplicates at an endpoint or an MCP tool of yours, and count effects')
    .usage('[options] [-- COMMAND [ARGS...]]')
    .argument('[command]', 'with --tool: the MCP server')
    .argument('[args...]', 'its arguments')
    .option('--url <url>', 'the endpoint; {{unique}} is new for each check, here and in what follows')
    .option('--method <method>', 'with --url', 'POST')
    .option('--header <header>', 'with --url: "Name: value"; may be repeated', gather)
    .option('--body <text>', 'with --url')
    .option('--tool <name>', 'the tool of an MCP server')
    .option('--arguments <json>', 'with --tool', '{}')
    .requiredOption('--count <how>', 'a command or an address that answers how many effects there are')
    .option('--callers <number>', 'how many at once', whole(2), 16)
    .option('--timeout <ms>', 'how long a call waits for its answer, and --count for its number', whole(1), 10_000)
    .option('--junit <file>', 'write JUnit XML there')
    .addOption(jsonFlag())
    .passThroughOptions()
    .addHelpText(
      'after',
      examples([
        `onefold probe --url http://127.0.0.1:3000/orders --body '{"cart":"{{unique}}"}' --count 'wc -l < orders.log'`,
        `onefold probe --tool create_order --arguments '{"cart":"{{unique}}"}' --count http://127.0.0.1:3000/count -- node server.js`,
      ]),
    )
    .action(run(async () => (await import('./probe.ts')).probe))
  only(probe, ['method', 'header', 'body'], 'with --url', ({ url }) => url !== undefined)
  only(probe, ['arguments'], 'with --tool', ({ tool }) => tool !== undefined)
}

function addMcp(program: Command, run: Run): void {
  const mcp = withWhere(
    command(program, 'mcp', 'run an MCP server with a ledger in front of its tools'),
    'one of the user, named by the server',
  )
    .usage('[options] -- COMMAND [ARGS...]')
    .argument('[command]', 'the MCP server')
    .argument('[args...]', 'its arguments')
    .option(
      '--http <port>',
      'serve Streamable HTTP there instead of standard input and output; 0 for a free port',
      port,
    )
    .option('--host <address>', 'with --http: the address to listen on', '127.0.0.1')
    .option('--upstream <url>', 'with --http: the MCP endpoint behind, instead of a command')
    .option('--dry-run', 'instead: print what would be protected, and why; exit 1 where something wants a look')
    .option('--json', 'with --dry-run: print data')
    .passThroughOptions()
    .addHelpText(
      'after',
      examples([
        'onefold mcp -- npx @modelcontextprotocol/server-filesystem /data',
        'onefold mcp --config onefold.yaml -- node server.js',
        'onefold mcp --http 8788 --upstream https://mcp.example.com/mcp',
        'onefold mcp --http 8788 -- node server.js',
        'onefold mcp --dry-run -- node server.js',
      ]),
    )
    .action(run(async () => (await import('./mcp-dry-run.ts')).mcpOrDryRun))
  only(mcp, ['host'], 'with --http', ({ http }) => http !== undefined)
  only(mcp, ['http', 'upstream', 'store', 'tenant'], 'without --dry-run', ({ dryRun }) => dryRun !== true)
}

function addGateway(program: Command, run: Run): void {
  withWhere(
    command(program, 'gateway', 'run a reverse proxy that makes every write of an HTTP API happen once'),
    'one of the user, named by the service',
  )
    .option('--upstream <url>', 'the service (default: the configuration’s)')
    .option('--port <number>', 'where to listen; 0 for a free port', port, 8787)
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .addHelpText(
      'after',
      examples([
        'onefold gateway --upstream http://127.0.0.1:3000',
        'onefold gateway --config onefold.yaml --port 8080',
      ]),
    )
    .action(run(async () => (await import('./gateway.ts')).gateway))
}

function addLedger(program: Command, run: Run): void {
  const group = command(program, 'ledger', 'look into the ledger, and settle what only a person can').helpCommand(false)

  withWhere(command(group, 'list', 'list operations'))
    .option('--in-doubt', 'only those that nobody knows the outcome of')
    .option('--open', 'only those that are not closed')
    .option('--state <state>', 'only those in one state')
    .option('--tool <name>', 'only those of one tool')
    .option('--run <id>', 'only those of one run')
    .addOption(allTenants())
    .option('--limit <number>', 'at most so many', whole(1), 50)
    .addOption(jsonFlag())
    .addHelpText('after', examples(['onefold ledger list --in-doubt', 'onefold ledger list --tool refund --json']))
    .action(run(async () => (await import('./ledger/list.ts')).ledgerList))

  withWhere(command(group, 'show', 'print the timeline of one operation: attempts, who, why, what settles it'))
    .argument('<key>', 'a key, a ticket, or any unique beginning of a key')
    .option('--show-input', 'show arguments and refusals, which may be private')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['onefold ledger show 3q2-7wEjRl0x']))
    .action(run(async () => (await import('./ledger/show.ts')).ledgerShow))

  withWhere(command(group, 'resolve', 'settle a doubt as a person; asks back on a terminal'))
    .argument('<key>', 'a key, a ticket, or any unique beginning of a key')
    .option('--done', 'it happened')
    .option('--not-done', 'it did not happen, and may be tried again (after the quarantine)')
    .option('--abandon', 'nobody will ever know')
    .option('--note <text>', 'how you know; recorded')
    .option('--by <name>', 'who says so (default: the user of this session)')
    .option('--value <json>', 'with --done: what repeats are answered')
    .option('--value-file <file>', 'with --done: the same, from a file')
    .option('--yes', 'do not ask back')
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples([
        'onefold ledger resolve 3q2-7wEjRl0x --done --note "the mail is in the customer’s inbox"',
        'onefold ledger resolve 3q2-7wEjRl0x --not-done --note "no such order at the shop" --yes',
      ]),
    )
    .action(run(async () => (await import('./ledger/resolve.ts')).ledgerResolve))

  withWhere(command(group, 'stats', 'count operations by state'))
    .addOption(allTenants())
    .addOption(jsonFlag())
    .addHelpText('after', examples(['onefold ledger stats --json']))
    .action(run(async () => (await import('./ledger/stats.ts')).ledgerStats))

  withWhere(command(group, 'lost', 'say that the ledger lost records, as in a restore; asks back on a terminal'))
    .option('--note <text>', 'what happened; recorded')
    .option('--yes', 'do not ask back')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['onefold ledger lost --note "restored the backup of Sunday" --yes']))
    .action(run(async () => (await import('./ledger/lost.ts')).ledgerLost))

  withWhere(command(group, 'lift', 'say that a ledger that lost records can be trusted again; asks back on a terminal'))
    .option('--yes', 'do not ask back')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['onefold ledger lift --store sqlite:restored.db']))
    .action(run(async () => (await import('./ledger/lift.ts')).ledgerLift))

  withWhere(command(group, 'export', 'write every operation with its history as JSON lines'))
    .option('--tool <name>', 'only those of one tool')
    .option('--run <id>', 'only those of one run')
    .addOption(allTenants())
    .option('--show-input', 'with arguments, answers and refusals, which may be private')
    .addOption(new Option('--json', 'the same: the output is data always').hideHelp())
    .addHelpText('after', examples(['onefold ledger export --all-tenants > ledger.jsonl']))
    .action(run(async () => (await import('./ledger/export.ts')).ledgerExport))

  withWhere(command(group, 'migrate', 'create the schema of a ledger on a server, or bring any ledger to this version'))
    .option('--role <name>', 'also grant a role what it needs to serve the ledger, and no more')
    .option('--print', 'print what would be made, and make nothing (DynamoDB)')
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples([
        'onefold ledger migrate --store postgres://owner@db.internal/shop?schema=onefold --role shop_app',
        'onefold ledger migrate --store dynamodb://effects?region=eu-west-1 --print',
        'onefold ledger migrate --store sqlite:effects.db',
      ]),
    )
    .action(run(async () => (await import('./ledger/migrate.ts')).ledgerMigrate))

  withWhere(command(group, 'purge', 'erase what is past its retention, now; asks back on a terminal'))
    .option('--dry-run', 'count, and change nothing')
    .addOption(allTenants())
    .option('--yes', 'do not ask back')
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      `
Results of what was done are erased (that it was done stays known), and operations of which nothing happened are
forgotten, each when its retention and the longest retry horizon are over. What is open or in doubt is never touched.
${examples(['onefold ledger purge --dry-run', 'onefold ledger purge --all-tenants --yes --json'])}`,
    )
    .action(run(async () => (await import('./ledger/purge.ts')).ledgerPurge))

  withWhere(command(group, 'reconcile', 'compare operations with the downstream’s own list; exit 1 where they differ'))
    .usage('[options] --tool NAME (--list FILE | -- COMMAND [ARGS...])')
    .argument('[command...]', 'prints the downstream’s list')
    .requiredOption('--tool <name>', 'the tool that the list is of, as ledger list shows it')
    .option('--list <file>', 'the list: JSON, or one JSON value a line; - for standard input')
    .option('--item-key <path>', 'what names an item (default: its idempotency_key, idempotencyKey or key)')
    .option(
      '--operation-key <place>',
      'what the downstream calls an operation: key, input.PATH or result.PATH (default: its key, ticket and downstream keys)',
    )
    .option('--request <request>', 'the request that carried ctx.fetch’s key, as POST /v1/orders/{input.ref}')
    .option('--since <date>', 'only operations recorded from then on')
    .option('--until <date>', 'only operations recorded before')
    .addOption(allTenants())
    .addOption(jsonFlag())
    .passThroughOptions()
    .addHelpText(
      'after',
      examples([
        'onefold ledger reconcile --tool refund --list refunds.json',
        'onefold ledger reconcile --tool shop:create_order --operation-key result.id --item-key id -- curl -s http://127.0.0.1:3000/orders',
      ]),
    )
    .action(run(async () => (await import('./ledger/reconcile.ts')).ledgerReconcile))
}

/** Which ledger: the same flags on every command that needs one. `otherwise` is where it is when nothing says so. */
const withWhere = (to: Command, otherwise = 'this project’s, or the only one of this user'): Command =>
  to
    .option('--config <file>', 'the configuration (default: onefold.yaml here, if there is one)')
    .option(
      '--store <url>',
      `the ledger, such as sqlite:./effects.db (default: the configuration’s; else ${otherwise})`,
    )
    .option('--tenant <name>', 'the tenant (default: the configuration’s, then "default")')

const gather = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

const jsonFlag = (): Option => new Option('--json', 'print data')
const allTenants = (): Option => new Option('--all-tenants', 'look across tenants').conflicts('tenant')

/** Reads a whole number of at least `least`, and at most `most`. */
const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least && value <= most) return value
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
    throw new InvalidArgumentError(`It must be a whole number ${range}.`)
  }

const port = whole(0, 65_535)

/** Refuses flags that would change nothing: what is silently ignored promises what is not done. */
function only(
  command: Command,
  flags: readonly string[],
  where: string,
  holds: (options: OptionValues, first: unknown) => boolean,
): void {
  command.hook('preAction', (_this, action) => {
    if (holds(action.opts(), action.processedArgs[0])) return
    const idle = flags.find((name) => action.getOptionValueSource(name) === 'cli')
    if (idle !== undefined) action.error(`error: option '--${idle}' has an effect only ${where}`)
  })
}

const ROOT_EXAMPLES = [
  'onefold demo',
  'onefold mcp -- npx @modelcontextprotocol/server-filesystem /data',
  'onefold ledger list --in-doubt',
]

const examples = (lines: readonly string[]): string => `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`

const EXIT_CODES = `
Exit codes: 0 ok · 1 findings, or a failed check · 2 wrong use · 3 the ledger is not available
`

/** The version of the package, from its own package.json: two folders up, in the sources as in the build. */
function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { readonly version: string }).version
}
