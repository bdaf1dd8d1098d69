/** What is used of a `Pool` of the package pg (https://node-postgres.com/apis/pool). */
export interface PgPool {
  readonly idleCount: number
  readonly options: { readonly max?: number | undefined; readonly connectionTimeoutMillis?: number | undefined }
  connect(): Promise<PgClient>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'acquire', listener: (client: PgClient) => void): unknown
}

/** What is used of a client that a {@link PgPool} lends. */
export interface PgClient {
  query(config: { readonly text: string; readonly values?: unknown[]; readonly name?: string }): Promise<unknown>
  release(destroy?: Error | boolean): void
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown
}

/** What is used of `postgres(…)` of the package postgres (https://github.com/porsager/postgres). */
export interface PostgresJs {
  readonly options: {
    readonly max: number
    readonly connect_timeout?: number | null | undefined
    /** How the client changes what it reads. */
    readonly transform?: { readonly [of in 'column' | 'value' | 'row']?: { readonly from?: unknown } }
  }
  unsafe(text: string, values?: never[], options?: { readonly prepare?: boolean }): PromiseLike<readonly unknown[]>
  begin(work: (transaction: PostgresJsTransaction) => Promise<unknown>): Promise<unknown>
  listen(
    channel: string,
    hear: (payload: string) => void,
    onListening?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>
}

/** What is used of the transaction that {@link PostgresJs.begin} hands out. */
export interface PostgresJsTransaction {
  unsafe(text: string, values?: never[], options?: { readonly prepare?: boolean }): PromiseLike<readonly unknown[]>
}

/** A client of the caller's: a `Pool` of pg, or what `postgres(…)` of postgres returned. */
export type PostgresClient = PgPool | PostgresJs
