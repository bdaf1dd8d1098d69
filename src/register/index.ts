/**
 * `node --import onefold/register app.js`: counts the HTTP attempts of every tool and run, puts the operation's key on
 * the writes of clients that know nothing of it, and stops retry storms. No change of code; nothing is patched.
 * @module
 * @example
 * ```sh
 * ONEFOLD_ATTEMPTS=stderr node --import onefold/register app.js
 * ```
 */
import { install } from './install.ts'
import { reportAtExit } from './report.ts'
import { settingsOf } from './settings.ts'

const settings = settingsOf(process.env)
install(settings)
const { report } = settings
if (report !== undefined) process.once('exit', () => reportAtExit(report))

export { attemptReport, type AttemptReport, type AttemptRow } from '../downstream/index.ts'
