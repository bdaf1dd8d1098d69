import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultLedger, stateFolder } from './state-folder.ts'
import { parseStoreUrl, storeFrom, withoutPassword } from './store-url.ts'

describe('parseStoreUrl', () => {
  it('reads a file, relative to the folder of the configuration', () => {
    expect(parseStoreUrl('sqlite:./a.db', '/etc/x')).toEqual({ kind: 'sqlite', path: '/etc/x/a.db' })
    expect(parseStoreUrl('sqlite:/var/a.db', '/etc/x')).toEqual({ kind: 'sqlite', path: '/var/a.db' })
    expect(parseStoreUrl('sqlite:///var/a.db', '/etc/x')).toEqual({ kind: 'sqlite', path: '/var/a.db' })
    const redis = 'redis://:secret@host:6379/1?prefix=mine'
    expect(parseStoreUrl(redis, '/etc/x')).toEqual({ kind: 'remote', name: 'redis', url: redis })
    expect(parseStoreUrl('memory:', '/etc/x')).toEqual({ kind: 'memory' })
    const url = 'postgres://me:secret@host/db?schema=ledger'
    expect(parseStoreUrl(url, '/etc/x')).toEqual({ kind: 'remote', name: 'postgres', url })
  })

  it.each([
    ['postgres://me:secret@/db', 'write postgres://'],
    ['postgres:nonsense', 'name a host'],
    ['postgress://me:secret@host/db', 'did you mean postgres'],
    ['dynamodb://a', 'name a table'],
    ['dynamodb://key:secret@effects', 'credentials belong into the environment'],
    ['postgres:/me:secret@host/db', 'name a host'],
    ['postgers:me:secret@host/db', 'did you mean postgres'],
    ['redis://host?perfix=x', 'it takes prefix and appendfsync behind the ?, not perfix'],
    ['redis://host?appendfsync=no', 'appendfsync can only be said to be always'],
    ['./ledger.db', 'write sqlite:./ledger.db'],
    ['sqlite:~/ledger.db', 'neither ~ nor a variable is filled in here'],
    ['sqlite:${HOME}/ledger.db', 'neither ~ nor a variable is filled in here'],
    ['postgres://${USER}:secret@host/db', 'neither ~ nor a variable is filled in here'],
    ['memory:x', 'memory: takes nothing behind it'],
    ['sqlite:', 'write sqlite:./ledger.db'],
    ['sqlite://host/db', 'write sqlite:./ledger.db'],
    ['sqlite://me:secret@host/db', 'write sqlite:./ledger.db'],
    ['secret@host/db', 'write sqlite:…@host/db'],
    [':secret@host/db', 'write sqlite::…@host/db'],
  ])('refuses %s', (url, message) => {
    expect(() => parseStoreUrl(url, '/')).toThrow(message)
    expect(() => parseStoreUrl(url, '/')).not.toThrow('secret')
    expect(() => parseStoreUrl(url, '/')).not.toThrow('?.')
  })
})

describe('stateFolder', () => {
  it.each([
    ['linux', { HOME: '/home/a' }, '/home/a/.local/state/onefold'],
    ['linux', { HOME: '/home/a', XDG_STATE_HOME: '/state' }, '/state/onefold'],
    ['linux', { HOME: '/home/a', XDG_STATE_HOME: 'relative' }, '/home/a/.local/state/onefold'],
    ['darwin', { HOME: '/Users/a', XDG_STATE_HOME: '/state' }, '/Users/a/Library/Application Support/onefold'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/onefold'],
    ['win32', { USERPROFILE: '/u' }, '/u/AppData/Local/onefold'],
  ] as const)('on %s with %j is %s', (platform, env, folder) => {
    expect(stateFolder({ platform, env })).toBe(folder)
    expect(defaultLedger('mail-1', { platform, env })).toBe(join(folder, 'mail-1.db'))
  })

  it('needs a home', () => {
    expect(() => stateFolder({ platform: 'linux', env: {} })).toThrow('HOME is not set')
  })
})

describe('what people are shown of a URL', () => {
  it.each([
    ['postgres://app:S3cret@db/effects', 'postgres://…@db/effects'],
    ['postgres://app:S3@cret@db/effects', 'postgres://…@db/effects'],
    ['postgres://app:S3/cret@db/effects', 'postgres://…@db/effects'],
    ['postgres://app:S3?cret@db/effects?x=1', 'postgres://…@db/effects?x=1'],
    [
      'postgres://db/effects?user=app&password=S3cret&sslmode=require',
      'postgres://db/effects?user=app&password=…&sslmode=require',
    ],
    ['redis://:S3cret@h:6379/1', 'redis://…@h:6379/1'],
    ['postgres:/app:S3cret@db/effects', 'postgres:…@db/effects'],
    ['postgres:app:S3//cret@db/effects', 'postgres:…@db/effects'],
    ['//app:S3cret@db/effects', '//…@db/effects'],
    ['app:S3cret@db/effects', 'app:…@db/effects'],
    ['S3cret@db/effects', '…@db/effects'],
    ['sqlite:./a@b.db', 'sqlite:./a@b.db'],
    ['sqlite:/home//a@b.db', 'sqlite:/home//a@b.db'],
    ['sqlite://app:S3cret@db/effects', 'sqlite://…@db/effects'],
    ['sqlite:postgres://app:S3cret@db/effects', 'sqlite:…@db/effects'],
    ['dynamodb://effects?region=eu-west-1', 'dynamodb://effects?region=eu-west-1'],
  ])('%s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown)
  })

  it('is all that the folder of its spool is named by', async () => {
    const spool = async (url: string): Promise<string> => (await storeFrom(parseStoreUrl(url, '/'))).spool ?? ''
    const plain = await spool('postgres://h/one?sslmode=disable')
    expect(await spool('postgres://app:S3cret@h/one?sslmode=disable&password=S3cret')).toBe(plain)
    expect(plain).not.toBe(await spool('postgres://h/two?sslmode=disable'))
  })
})
