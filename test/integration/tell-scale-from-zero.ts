// `make scale-from-zero`: prints the story of scale-from-zero.test.ts as it
// happens.
import { endAll } from './harness.ts';
import { chapters } from './scale-from-zero.ts';
import { World } from './scale-world.ts';

const world = await World.begin((line) => console.log(line));
try {
  const { chat, code } = world.scaled;
  for (const [name, chapter] of Object.entries(chapters)) {
    console.log(`\n${name}`);
    await chapter(world, chat!, code!);
  }
} finally {
  await world.end();
  endAll();
}
