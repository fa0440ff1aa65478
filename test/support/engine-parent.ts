/** A program that opens an engine, tells its children's ids and niceness on stdout, and keeps it busy until it is killed. */
import os from 'node:os';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { openEngine } from '../../src/engine/engine.js';

const [folder = ''] = process.argv.slice(2);
const engine = await openEngine(await openCheckpoint(folder), { children: 2 });
const children = engine.status().children.map(({ pid }) => ({ pid, nice: os.getPriority(pid) }));
console.log(JSON.stringify({ nice: os.getPriority(), children }));
for (;;) await engine.classify(Array.from({ length: 64 }, () => new Int32Array(200).fill(5)));
