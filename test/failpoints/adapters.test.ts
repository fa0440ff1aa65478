import { testScenario } from './scenario-test.js';

testScenario('adapters');
