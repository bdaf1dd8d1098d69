#!/usr/bin/env node
import { existsSync } from 'node:fs'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `onefold needs Node 22.18 or later and this is Node ${process.versions.node}. Nothing was started. ` +
      'Install a current Node and run the same command again.\n',
  )
  process.exit(2)
}

const source = new URL('../src/cli/main.ts', import.meta.url)
if (existsSync(source)) {
  // In the repository: the sources run unbuilt, and 'onefold' resolves to them.
  const { registerHooks } = await import('node:module')
  registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: ['onefold-source', ...context.conditions] }),
  })
  await import(source.href)
} else {
  await import(new URL('../dist/cli/main.js', import.meta.url).href)
}
