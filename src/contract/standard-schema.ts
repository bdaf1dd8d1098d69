/**
 * The part of Standard Schema version 1 (https://standardschema.dev) that a contract uses. zod, valibot, arktype and
 * others implement it, so a contract needs none of them.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': StandardSchemaV1.Props<Input, Output>
}

export declare namespace StandardSchemaV1 {
  /** What a schema says of itself. */
  export interface Props<Input = unknown, Output = Input> {
    readonly version: 1
    readonly vendor: string
    /** Checks a value; may answer at once or later. Expected failures are answers, not exceptions. */
    readonly validate: (value: unknown) => Result<Output> | Promise<Result<Output>>
    /** Carries the types only; never there at run time. */
    readonly types?: Types<Input, Output> | undefined
  }

  export type Result<Output> = Success<Output> | Failure

  export interface Success<Output> {
    readonly value: Output
    readonly issues?: undefined
  }

  export interface Failure {
    readonly issues: readonly Issue[]
  }

  export interface Issue {
    readonly message: string
    /** The way from the root to what is wrong: keys, or objects that hold a key. */
    readonly path?: readonly (PropertyKey | PathSegment)[] | undefined
  }

  export interface PathSegment {
    readonly key: PropertyKey
  }

  export interface Types<Input = unknown, Output = Input> {
    readonly input: Input
    readonly output: Output
  }

  /** The type that a schema accepts. */
  export type InferInput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['input']

  /** The type that a schema gives after validation. */
  export type InferOutput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['output']
}
