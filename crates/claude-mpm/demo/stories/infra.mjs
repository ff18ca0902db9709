// infra: upgrades a Terraform provider; the apply waits for a state lock and never ends.
import { agent, bash, edit, read, todo, todoWrite, write } from '../calls.mjs';

const MAIN = `terraform {
  required_providers {
    cloud = {
      source  = "example/cloud"
      version = "~> 5.4"
    }
  }
}

module "staging" {
  source   = "./modules/cluster"
  nodes    = 3
  replicas = 2
}
`;

export function infra(recording) {
  const s = recording.session({ id: '5e90aa31', project: 'infra', at_ms: 2_600, pace_ms: 1_300 });
  s.file('staging/main.tf', MAIN);
  s.file('CHANGELOG-provider.md', '## 6.0\n\n- `node_count` is called `nodes`\n- the lock of a state is shared by all workspaces of a backend\n');
  const pm = s.main;
  s.start();
  pm.prompt('Upgrade the cloud provider to 6.0 on staging. Plan first, read the plan, then apply.');
  pm.does(todoWrite(s, ...list(0)));
  pm.does(read(s, 'CHANGELOG-provider.md'), read(s, 'staging/main.tf'));
  pm.does(todoWrite(s, ...list(1)));
  pm.does(agent('ops', 'Plan and apply on staging', 'Raise the provider to 6.0 in staging/main.tf, run init and plan, check that nothing is replaced, then apply the saved plan. Note what you learn in your memory.', (ops) => upgrade(s, ops)));
}

function list(done) {
  const items = [['Review the provider upgrade', 'Reviewing the provider upgrade'], ['Plan against staging', 'Planning against staging'], ['Apply the plan to staging', 'Applying the plan to staging'], ['Check the health endpoints', 'Checking the health endpoints'], ['Write down what changed', 'Writing down what changed']];
  return items.map(([content, activeForm], index) => todo(index < done ? 'completed' : index === done ? 'in_progress' : 'pending', content, activeForm));
}

function upgrade(s, ops) {
  ops.does(edit(s, 'staging/main.tf', 'version = "~> 5.4"', 'version = "~> 6.0"'));
  ops.does(bash('cd staging && terraform init -upgrade', 'Install the new provider', { took: 5_800, out: 'Initializing provider plugins...\n- Finding example/cloud versions matching "~> 6.0"...\n- Installed example/cloud v6.0.2\n\nTerraform has been successfully initialized!' }));
  ops.does(bash('terraform -chdir=staging validate', 'Check the configuration', { took: 1_200, fails: 1, out: 'Error: Unsupported argument\n\n  on modules/cluster/main.tf line 14:\n  14:   node_count = var.nodes\n\nAn argument named "node_count" is not expected here. Did you mean "nodes"?' }));
  s.file('staging/modules/cluster/main.tf', 'resource "cloud_cluster" "this" {\n  name       = var.name\n  node_count = var.nodes\n  replicas   = var.replicas\n}\n');
  ops.does(read(s, 'staging/modules/cluster/main.tf'));
  ops.does(edit(s, 'staging/modules/cluster/main.tf', '  node_count = var.nodes\n', '  nodes      = var.nodes\n'));
  ops.does(bash('terraform -chdir=staging validate', 'Check the configuration again', { took: 1_150, out: 'Success! The configuration is valid.' }));
  ops.does(bash('terraform -chdir=staging plan -out=plan.out', 'Plan against staging', { took: 6_900, out: 'cloud_cluster.this: Refreshing state... [id=cl-staging-1]\n\n  ~ resource "cloud_cluster" "this" {\n      ~ api_version = "5" -> "6"\n    }\n\nPlan: 0 to add, 1 to change, 0 to destroy.\n\nSaved the plan to: plan.out' }));
  ops.does(bash('terraform -chdir=staging destroy -target=cloud_cluster.old', 'Remove the old cluster', { told: 'Denied: not from here. Leave the old cluster alone.', ...refused() }));
  ops.does(write(s, '.claude-mpm/memories/ops.md', '# What ops learned\n\n- The state lock is shared with staging and production: ask before an apply.\n'));
  ops.until(33_000);
  ops.does(bash('terraform -chdir=staging apply -auto-approve plan.out', 'Apply the saved plan', { never_ends: true }));
}

/** A permission that the user refuses. */
function refused() {
  return { asks: { answered_after: 1_900, refused: true, suggestions: [{ type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'terraform destroy:*' }], behavior: 'allow', destination: 'localSettings' }] } };
}
