import type { ReadOptions, WriteOptions } from './types.ts'

/* oxlint-disable typescript/no-explicit-any -- input and output stand in co- and contravariant places, so that options
   of every schema are assignable to `any` only; nothing is called through these types. */

/** A write's options, whatever its schema and output. */
export type AnyWriteOptions = WriteOptions<any, any>

/** A tool's options, whatever its schema and output. */
export type AnyToolOptions = ReadOptions<any, any> | AnyWriteOptions
