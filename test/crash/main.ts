/** `npm run crash`: kills processes at every fault point and at random, and counts effects outside. */
import { parseArgs } from 'node:util'
import { tableOf } from '../explore/rows.ts'
import { campaign } from './campaign.ts'
import { orderRow } from './order.ts'
import { rowsOf } from './rows.ts'
import { CRASH_STORES, crashStore } from './stores/index.ts'

const STORE_NAMES = CRASH_STORES.map(({ name }) => name).join(' | ')

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    seed: { type: 'string' },
    store: { type: 'string', default: 'sqlite' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  process.stdout.write(
    `crash [--kills N] [--seed S] [--store ${STORE_NAMES}] [--json] [--check]\n` +
      'A duplicate, a loss or a wrong answer always exits 1; --check makes every missed target exit 1.\n',
  )
  process.exit(0)
}

const wanted = Number(values.kills)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!Number.isInteger(wanted) || wanted < 1 || !Number.isInteger(seed)) {
  process.stderr.write('crash: --kills takes a whole number from 1, --seed a whole number\n')
  process.exit(2)
}

const store = crashStore(values.store)
if (store === undefined) {
  process.stderr.write(`crash: --store takes ${STORE_NAMES}\n`)
  process.exit(2)
}

const say = (text: string): void => {
  if (!values.json) process.stdout.write(text)
}

say(`seed ${seed}, store ${store.name}\n`)
const order = store.name === 'sqlite' ? await orderRow() : 'order of writes: traced over sqlite only'
const run = await campaign({
  kills: wanted,
  seed,
  store,
  progress: (kills) => {
    if (process.stdout.isTTY) say(`\r${kills} of ${wanted} kills `)
  },
})
if (run === undefined) process.exit(0)
const rows = [...rowsOf(run, wanted), ...(typeof order === 'string' ? [] : [order])]
if (values.json) process.stdout.write(`${JSON.stringify({ seed, store: store.name, rows }, undefined, 2)}\n`)
else say(`${process.stdout.isTTY ? '\r' : ''}${tableOf(rows)}\n${typeof order === 'string' ? `${order}\n` : ''}`)
const broken = rows.some(({ target, ok }) => target === '0' && !ok)
if (broken || (values.check && rows.some(({ ok }) => !ok))) process.exitCode = 1
