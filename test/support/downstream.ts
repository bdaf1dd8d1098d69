export { startTown as startDownstream, type Fault, type Town as Downstream } from '../../src/scenario/index.ts'
