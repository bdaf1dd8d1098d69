/**
 * The three ways to test a tool for retries: one line for a tool, `chaos` for a workflow, and the same from the command line
 * with real processes. Starts the order service, and exits non-zero when anything is not as it should be.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onefold } from 'onefold'
import { memoryStore } from 'onefold/memory'
import { chaosFile, showReport, verifyTool } from 'onefold/testing'
import { placeOrderTool } from './workflow.ts'

const folder = mkdtempSync(join(tmpdir(), 'onefold-testing-'))
const service = spawn(process.execPath, [fileURLToPath(new URL('./service.ts', import.meta.url))], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const [port] = (await once(service.stdout, 'data')) as [Buffer]
const url = `http://127.0.0.1:${port.toString().trim()}`
const count = async (cart: string): Promise<number> => Number(await (await fetch(`${url}/count/${cart}`)).text())

const guard = onefold({ store: memoryStore(), allowVolatile: true })
const placeOrder = placeOrderTool(guard, url)

// #region verify
await verifyTool(placeOrder, {
  input: (unique) => ({ cart: unique, note: 'a gift' }),
  state: ({ cart }) => count(cart),
})
// #endregion verify
console.log('place_order is safe to retry')

process.env['SHOP_URL'] = url
process.env['LEDGER'] = join(folder, 'ledger.db')
const report = await chaosFile(fileURLToPath(new URL('./workflow.ts', import.meta.url)), {
  faults: ['lost-answer', 'crash-after'],
  combinations: 0,
})
console.log(showReport(report))
assert.equal(report.baseline, 1)

await guard.close()
service.stdin.end()
rmSync(folder, { recursive: true, force: true })
