import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.restoreAllMocks()
  vi.resetModules()
})

it('a Node without node:sqlite is told which one it takes', async () => {
  vi.resetModules()
  vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never)
  await expect(import('./sqlite-module.ts')).rejects.toThrow(
    `onefold needs Node 22.18 or later and this is Node ${process.versions.node}. Nothing was started`,
  )
})
