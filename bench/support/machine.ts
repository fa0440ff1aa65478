/** What a report says of the machine that it was measured on. */
import os from 'node:os';

export function machine(): object {
  const date = new Date().toISOString().slice(0, 10);
  return { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), node: process.version, date };
}
