import { fileURLToPath } from 'node:url'
import { EXIT } from '../exit-code.ts'
import { print, printJson } from '../output.ts'
import { scriptedAgent, type Agent } from './agent.ts'
import { holds, lostAnswers } from './lost-answers.ts'
import { report } from './report.ts'

export interface DemoFlags {
  readonly seed: number
  readonly returns: number
  readonly keep?: boolean
  readonly json?: boolean
}

/**
 * `onefold demo [NAME]`: lists the demonstrations, or runs one with programs, client and model of our own, so that it
 * needs nothing but this package.
 */
export async function demo(name: string | undefined, flags: DemoFlags & { readonly orders: number }): Promise<number> {
  if (name === 'lost-answers') return await demoLostAnswers(flags)
  if (name === 'black-friday') {
    const { runBlackFriday } = await import('./black-friday.ts')
    return await runBlackFriday(flags, { again: 'onefold demo black-friday' })
  }
  const { demoStory, listDemos } = await import('./stories.ts')
  return name === undefined ? listDemos(flags.json === true) : await demoStory(name, flags.json === true)
}

async function demoLostAnswers(flags: DemoFlags): Promise<number> {
  const file = import.meta.url.endsWith('.ts') ? './tools.process.ts' : './tools.process.js'
  const server = [process.execPath, fileURLToPath(new URL(file, import.meta.url))] as const
  return await runDemo(flags, { agent: scriptedAgent, server: [...server], again: 'onefold demo lost-answers' })
}

/** Runs the story and prints it; 1 when the protected run did not hold, or the unprotected one shows nothing. */
export async function runDemo(
  flags: DemoFlags,
  form: { readonly agent: Agent; readonly server: readonly [string, ...string[]]; readonly again: string },
): Promise<number> {
  const story = await lostAnswers({ ...flags, agent: form.agent, server: form.server })
  const held = holds(story.with)
  if (flags.json === true) printJson({ ...story, held })
  else print(report(story, form.again))
  return held ? EXIT.ok : EXIT.findings
}
