/** One checkout in a process of its own that dies where it is told: `node checkout.process.ts TASK`. */
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { testGuard } from '../support/guard.ts'
import { checkoutSaga, nakedCheckout } from './checkout.ts'

export interface Task {
  readonly url: string
  readonly order: string
  /** Absent for the control without a ledger. */
  readonly ledger?: string
  readonly recovery: 'keyed' | 'probe'
  /** Dies at the nth passage of this point; `answer` counts the service's answers. */
  readonly die?: { readonly point: string; readonly nth: number }
}

const task = JSON.parse(process.argv[2] ?? '') as Task
const passages = new Map<string, number>()

function pass(point: string): void {
  const nth = (passages.get(point) ?? 0) + 1
  passages.set(point, nth)
  if (task.die?.point === point && task.die.nth === nth) process.kill(process.pid, 'SIGKILL')
}

if (task.ledger === undefined) {
  const real = globalThis.fetch
  globalThis.fetch = async (...args) => {
    const answer = await real(...args)
    pass('answer')
    return answer
  }
  await nakedCheckout(task, task.order)
} else {
  const guard = testGuard({ store: sqliteStore(task.ledger), faults: pass })
  await checkoutSaga(guard, task, task.recovery)({ order: task.order })
  await guard.close()
}
