/** The environment as the command line sees it: warnings go to standard error. */
import { type Config, loadConfig } from '../config.js';

export function readConfig(): Config {
  return loadConfig(process.env, (message) => console.error(`errata: warning: ${message}`));
}
