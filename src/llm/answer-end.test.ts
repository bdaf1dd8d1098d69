import { expect, it } from 'vitest'
import { hasFailed, isWholeAnswer } from './answer-end.ts'

const SSE = 'text/event-stream; charset=utf-8'
const JSON_TYPE = 'application/json'

it.each([
  ['Messages', SSE, 'event: message_start\ndata: {"type":"message_start"}\n\n', 'event: message_stop\ndata: {}\n\n'],
  ['Responses', SSE, 'event: response.created\ndata: {}\n\n', 'event: response.completed\ndata: {}\n\n'],
  [
    'Responses at their limit',
    SSE,
    'event: response.created\ndata: {}\n\n',
    'event: response.incomplete\ndata: {}\n\n',
  ],
  ['lines that end in CRLF', SSE, 'event:message_start\r\ndata:{}\r\n\r\n', 'event:message_stop\r\ndata:{}\r\n\r\n'],
  ['Chat Completions', SSE, 'data: {"object":"chat.completion.chunk"}\n\n', 'data: [DONE]\n\n'],
  [
    'Chat Completions without the last line',
    SSE,
    'data: {"object": "chat.completion.chunk","choices":[{"finish_reason":null}]}\n\n',
    'data: {"object":"chat.completion.chunk","choices":[{"finish_reason": "stop"}]}\n\n',
  ],
  [
    'Gemini',
    SSE,
    'data: {"candidates": [{"content": {"parts": [{"text": "\\"finishReason\\":\\"STOP\\""}]}}]}\r\n\r\n',
    'data: {"candidates": [{"content": {"parts": [{"text": ""}]},"finishReason": "STOP"}]}\r\n\r\n',
  ],
  ['a document', JSON_TYPE, '{"choices":[', '{}]}'],
  ['a document behind a byte order mark', JSON_TYPE, '\u00ef\u00bb\u00bf{"choices":[', ']}'],
])('%s: whole at the end only', (_of, type, begin, end) => {
  expect([isWholeAnswer(type, begin), isWholeAnswer(type, begin + end)]).toEqual([false, true])
})

it.each([
  ['Messages', SSE, 'event: error\r\ndata: {"type":"error"}\r\n\r\n'],
  ['Chat Completions, tightly printed', SSE, 'data: {}\n\ndata:{ "error" : {"code":502}}\n\n'],
  ['a document that is an error', JSON_TYPE, '{ "error": {"code":502}}'],
  ['the page of a proxy', 'text/html', '<html>Bad gateway</html>'],
])('an error told with 200 is no answer: %s', (_of, type, text) => {
  expect(isWholeAnswer(type, text)).toBe(false)
})

it.each([
  ['a stream of another kind', SSE, 'data: {"deltas":[]}\n\n'],
  ['a prompt that Gemini blocked', SSE, 'data: {"promptFeedback":{"blockReason":"OTHER"}}\n\n'],
  ['no error', SSE, 'data: {"error":null,"text":"a"}\n\n'],
  ['text about errors', SSE, 'data: {"text":"event: error\\ndata: {\\"error\\":1}"}\n\n'],
  ['bytes', 'audio/mpeg', '\u00ff\u00fb'],
])('anything else is: %s', (_of, type, text) => {
  expect([hasFailed(text), isWholeAnswer(type, text)]).toEqual([false, true])
})
