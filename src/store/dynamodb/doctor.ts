import type { Finding } from '../../engine/index.ts'
import { text, type TableDescription } from './client.ts'
import type { Context } from './context.ts'
import type { Meta } from './meta.ts'
import { regionOf } from './table.ts'

/** Attributes that the store writes: a time to live on one of them would delete records. */
const OWN_ATTRIBUTES: ReadonlySet<string> = new Set(
  'p s a o i v l t y k tl rn d dx dn n nx nn e x j b c q h w g m'.split(' '),
)
const TOLERATED_OFFSET_MS = 60_000

/** What is good and bad about a table, for `onefold doctor`. */
export async function examine(context: Context, meta: Meta, table: TableDescription): Promise<readonly Finding[]> {
  return [
    {
      check: 'table',
      ok: true,
      found: `${context.table} in ${regionOf(table)}, ${table.TableStatus ?? 'of unknown status'}`,
    },
    replication(table),
    await timeToLive(context),
    protection(table),
    await probe(context),
    clockOffset(context),
    await amnesia(meta),
  ]
}

function replication(table: TableDescription): Finding {
  const regions = (table.Replicas ?? []).map((one) => one.RegionName ?? '')
  if (regions.length === 0) return { check: 'replication', ok: true, found: 'one region' }
  if (table.MultiRegionConsistency === 'STRONG')
    return { check: 'replication', ok: true, found: `${regions.join(', ')}, strongly consistent` }
  return {
    check: 'replication',
    ok: false,
    found: `copied to ${regions.join(', ')}; the last writer wins there`,
    fix: `write only in ${regionOf(table)} (the ledger refuses other regions); after a fail-over to another region acknowledged claims may be missing, which processes that ran before it tell by the sequence, and new ones cannot`,
  }
}

async function timeToLive(context: Context): Promise<Finding> {
  const check = 'time to live'
  try {
    const { TimeToLiveDescription: found } = await context.step('read the time to live', (options) =>
      context.client.describeTimeToLive({ TableName: context.table }, options),
    )
    if (found?.TimeToLiveStatus !== 'ENABLED' && found?.TimeToLiveStatus !== 'ENABLING')
      return { check, ok: true, found: 'off: only the ledger deletes' }
    const attribute = found.AttributeName ?? ''
    const own = OWN_ATTRIBUTES.has(attribute)
    return {
      check,
      ok: false,
      found: `on, by the attribute ${attribute}${own ? ', which the ledger writes: records would be deleted while open' : ''}`,
      fix: `aws dynamodb update-time-to-live --table-name ${context.table} --time-to-live-specification Enabled=false,AttributeName=${attribute}`,
      ...(own ? { unsafe: true } : {}),
    }
  } catch (error) {
    return {
      check,
      ok: false,
      found: `not known (${error instanceof Error ? error.message : String(error)})`,
      fix: 'grant dynamodb:DescribeTimeToLive to whoever runs the doctor',
    }
  }
}

function protection(table: TableDescription): Finding {
  const check = 'deletion protection'
  if (table.DeletionProtectionEnabled === true) return { check, ok: true, found: 'on' }
  return {
    check,
    ok: false,
    found: table.DeletionProtectionEnabled === false ? 'off' : 'the service does not say',
    fix: 'aws dynamodb update-table --deletion-protection-enabled, so that the ledger is not deleted by mistake',
  }
}

/** An item of the doctor's own, written and read back. */
async function probe(context: Context): Promise<Finding> {
  const check = 'write and read back'
  const Key = { p: { B: Buffer.from('onefold') }, s: text('doctor') }
  const said = crypto.randomUUID()
  const from = performance.now()
  const back = await context.step('write and read back', async (options) => {
    await context.client.putItem({ TableName: context.table, Item: { ...Key, j: text(said) } }, options)
    return (await context.client.getItem({ TableName: context.table, Key, ConsistentRead: true }, options)).Item
  })
  const took = Math.round(performance.now() - from)
  if (back?.['j']?.S === said) return { check, ok: true, found: `${took} ms` }
  return {
    check,
    ok: false,
    unsafe: true,
    found: 'what was written is not what is read',
    fix: 'do not serve from this endpoint: it is not DynamoDB, or another doctor ran at the same moment',
  }
}

function clockOffset(context: Context): Finding {
  const offset = Math.round(Date.now() - context.clock.now())
  if (Math.abs(offset) < TOLERATED_OFFSET_MS)
    return {
      check: 'clock',
      ok: true,
      found: `within ${Math.max(1, Math.ceil(Math.abs(offset) / 1000))} s of the service's`,
    }
  return {
    check: 'clock',
    ok: false,
    found: `this host's wall clock is ${Math.round(offset / 1000)} s off the store's time; the ledger goes by the service's`,
    fix: 'set this host’s clock (NTP): the service refuses requests that are signed more than minutes off',
  }
}

async function amnesia(meta: Meta): Promise<Finding> {
  const { id, sequence, amnesia: mark } = await meta.epoch()
  if (mark === undefined) return { check: 'epoch', ok: true, found: `${id}, sequence ${sequence}` }
  return {
    check: 'epoch',
    ok: false,
    found: `records were lost: ${mark.why}`,
    fix: 'settle what is in doubt, then lift the mark with: onefold ledger lift',
  }
}
