import { describe, expect, it } from 'vitest'
import { isErrorResult, withMeta, withText } from './answers.ts'

describe('withMeta', () => {
  it('adds a receipt and keeps every other byte', () => {
    expect(withMeta('{ "content":[] ,"n":1.0 }', { r: 1 })).toBe('{"_meta":{"r":1}, "content":[] ,"n":1.0 }')
    expect(withMeta('{}', { r: 1 })).toBe('{"_meta":{"r":1}}')
    expect(withMeta('{"_meta":{"a":[1.0]},"n":1}', { r: 1 })).toBe('{"_meta":{"a":[1.0],"r":1},"n":1}')
  })

  it('replaces the receipt of an inner Onefold, and a _meta that is no object', () => {
    expect(withMeta('{"_meta":{"r":"inner","a":1}}', { r: 1 })).toBe('{"_meta":{"a":1,"r":1}}')
    expect(withMeta('{"_meta":null}', { r: 1 })).toBe('{"_meta":{"r":1}}')
  })

  it('leaves what is no object', () => {
    expect(withMeta('null', { r: 1 })).toBe('null')
  })
})

describe('withText', () => {
  it('adds a text block at the end', () => {
    expect(JSON.parse(withText('{"content":[{"type":"text","text":"a"}]}', 'b'))).toEqual({
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    })
    expect(JSON.parse(withText('{"content":[ ]}', 'b'))).toEqual({ content: [{ type: 'text', text: 'b' }] })
    expect(JSON.parse(withText('{"structuredContent":{}}', 'b'))).toEqual({
      content: [{ type: 'text', text: 'b' }],
      structuredContent: {},
    })
    expect(withText('{"content":"odd"}', 'b')).toBe('{"content":"odd"}')
  })
})

describe('isErrorResult', () => {
  it('looks at the result’s own member, however it is spelt', () => {
    expect(isErrorResult('{"isError":true}')).toBe(true)
    expect(isErrorResult('{"is\\u0045rror": true}')).toBe(true)
    expect(isErrorResult('{"content":[{"isError":true}],"isError":false}')).toBe(false)
    expect(isErrorResult('{"content":[{"text":"\\"isError\\":true"}]}')).toBe(false)
  })
})
