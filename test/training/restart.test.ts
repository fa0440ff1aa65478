import { existsSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { homeWithCorrections, kill, recipe, startService } from './fixtures/processes.js';
import { openTraining, trained } from './fixtures/training.js';

const undisturbed = trained(t, { recipe });

for (const stage of ['preparing', 'epoch 1', 'registering', 'comparing'])
  t.test(
    `the service is killed at "${stage}": no process is left, and the next start ends the run alike`,
    async (t) => {
      const home = await homeWithCorrections(t);
      const service = startService(home, stage);
      await service.reached(stage);
      await kill(service);
      const { training, adapters, directory } = await openTraining(t, { home, recipe });
      await training.idle();
      t.match(await training.get('run'), { state: 'succeeded', attempt: 2 });
      t.equal(adapters.get('run'), (await undisturbed).adapter);
      t.notOk(existsSync(path.join(directory, 'run')));
    },
  );
