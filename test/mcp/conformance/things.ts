/** What the fixtures of the conformance suite give and ask; the names are the suite's. */

export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
export const SOUND = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA='

export const text = (value: string): { type: 'text'; text: string } => ({ type: 'text', text: value })
export const image = { type: 'image' as const, data: PIXEL, mimeType: 'image/png' }

const resource = (uri: string, mimeType: string, content: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: content },
})

/** Tools that answer the same to everybody. */
export const FIXED = {
  test_simple_text: [text('This is a simple text response for testing.')],
  test_image_content: [image],
  test_audio_content: [{ type: 'audio' as const, data: SOUND, mimeType: 'audio/wav' }],
  test_embedded_resource: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  test_multiple_content_types: [
    text('Multiple content types test:'),
    image,
    resource('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
  ],
} as const

export const STEPS = [0, 50, 100] as const
export const LOGS = ['Tool execution started', 'Tool processing data', 'Tool execution completed'] as const

const string = (more: object = {}): { type: 'string' } => ({ type: 'string', ...more })
const titled = (one: string, ...titles: readonly string[]) =>
  titles.map((title, at) => ({ const: `value${at + 1}`, title: `${title} ${one}` }))

const form = (message: string, properties: object, required: readonly string[] = []) => ({
  message,
  requestedSchema: { type: 'object' as const, properties, required: [...required] },
})

/** Questions to the client's user (MCP elicitation), by the tool that asks. */
export const FORMS = {
  test_elicitation: (message: string) => form(message, { response: string() }, ['response']),
  test_elicitation_sep1034_defaults: () =>
    form('Please review and update the form fields with defaults', {
      name: string({ default: 'John Doe' }),
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: string({ enum: ['active', 'inactive', 'pending'], default: 'active' }),
      verified: { type: 'boolean', default: true },
    }),
  test_elicitation_sep1330_enums: () =>
    form('Please select options from the enum fields', {
      untitledSingle: string({ enum: ['option1', 'option2', 'option3'] }),
      titledSingle: string({ oneOf: titled('Option', 'First', 'Second', 'Third') }),
      legacyEnum: string({
        enum: ['opt1', 'opt2', 'opt3'],
        enumNames: ['Option One', 'Option Two', 'Option Three'],
      }),
      untitledMulti: {
        type: 'array',
        minItems: 1,
        maxItems: 3,
        items: string({ enum: ['option1', 'option2', 'option3'] }),
      },
      titledMulti: {
        type: 'array',
        minItems: 1,
        maxItems: 3,
        items: { anyOf: titled('Choice', 'First', 'Second', 'Third') },
      },
    }),
} as const

/** Questions of MCP 2026-07-28. */
export const ASKED = {
  name: form('What is your name?', { name: string() }, ['name']),
  context: form('What context should the prompt use?', { context: string() }, ['context']),
  confirm: form('Please confirm', { ok: { type: 'boolean' } }, ['ok']),
  step1: form('Step 1: What is your name?', { name: string() }, ['name']),
  step2: form('Step 2: What is your favorite color?', { color: string() }, ['color']),
} as const

export const sample = (prompt: string, maxTokens: number) => ({
  messages: [{ role: 'user' as const, content: text(prompt) }],
  maxTokens,
})

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** SEP-1613: a schema with the words of JSON Schema 2020-12. */
export const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string(), city: string() } } },
  properties: {
    name: string(),
    address: { $ref: '#/$defs/address' },
    contactMethod: string({ enum: ['phone', 'email'] }),
    phone: string(),
    email: string(),
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
} as const

/** SEP-2243: an argument that its caller repeats in a header. */
export const MIRRORED = {
  type: 'object',
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
  required: ['region'],
} as const
