import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { workerProgram } from './worker-program.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'onefold-bundle-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

const bundled = expect.objectContaining({
  code: 'STORE_UNSAFE',
  effect: 'none',
  retryable: false,
  message: expect.stringMatching(/was bundled. Leave it out of the bundle .*No effect was started/),
})

it('the thread runs the program beside its module, as source and as built', () => {
  expect(workerProgram(new URL('./courier.ts', import.meta.url).href).pathname).toMatch(
    /\/sqlite\/onefold-sqlite\.worker\.ts$/,
  )
  const built = folder()
  writeFileSync(join(built, 'onefold-sqlite.worker.js'), '')
  expect(workerProgram(pathToFileURL(join(built, 'courier.js')).href).pathname).toMatch(/onefold-sqlite\.worker\.js$/)
})

it("in a bundle it is refused with what to do, and an app's own worker.js is not started", () => {
  const bundle = folder()
  writeFileSync(join(bundle, 'worker.js'), 'the app’s own')
  expect(() => workerProgram(pathToFileURL(join(bundle, 'app.mjs')).href)).toThrow(bundled)
})

it('in a bundle whose modules have no address it is refused with what to do', () => {
  for (const from of [undefined, '', 'webpack://app/courier.js']) expect(() => workerProgram(from)).toThrow(bundled)
})
