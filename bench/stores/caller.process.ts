/**
 * One caller of the fault matrix, in a process that may be killed or frozen. Prints a line for each thing its parent waits
 * for: `ready`, `in effect`, and in the end `answered` or the name of the error.
 */
import { once } from 'node:events'
import type { Place, Sending } from './contender.ts'
import { CONTENDERS } from './contenders/index.ts'
import { sendEffect } from './ours.ts'

export interface Task {
  readonly contender: string
  readonly place: Place
  readonly ref: string
  readonly mode: 'call' | 'die-before' | 'die-after' | 'fail-late' | 'wait-after' | 'settle-done' | 'settle-not-done'
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task
const contender = CONTENDERS.find((one) => one.name === task.contender)
if (contender === undefined) throw new Error(`there is no contender ${task.contender}`)
const instance = await contender.make(task.place)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const die = async (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL')
  return await new Promise(() => undefined)
}
const told = async (): Promise<void> => void (await once(process.stdin, 'data'))

async function effect(sending: Sending): Promise<unknown> {
  if (task.mode === 'die-before') return await die()
  if (task.mode === 'fail-late') {
    say('in effect')
    await told()
    throw new Error('it failed, late')
  }
  const value = await sendEffect(task.ref, sending)
  if (task.mode === 'die-after') return await die()
  if (task.mode === 'wait-after') {
    say('in effect')
    await told()
  }
  return value
}

say('ready')
if (task.mode.startsWith('settle')) {
  await instance.resolve?.(task.ref, task.mode === 'settle-done')
  say('settled')
} else {
  try {
    await instance.call(task.ref, effect)
    say('answered')
  } catch (error) {
    say(nameOf(error))
  }
}
// A first caller may have more to do (its ledger is not there): its parent ends it.
if (task.mode !== 'wait-after') process.exit(0)

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { code?: unknown }
  return error.name === 'OnefoldError' ? String(code) : error.name === 'Error' ? error.message : error.name
}
