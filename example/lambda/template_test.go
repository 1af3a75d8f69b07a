package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplateIsOneThatCfnLintAccepts(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no cfn-lint: pip install cfn-lint")
		}
		t.Skip("there is no cfn-lint: pip install cfn-lint")
	}
	output, err := exec.Command(lint, "--regions", "eu-north-1", "--include-checks", "I", "--", "template.yaml").CombinedOutput()
	require.NoError(t, err, string(output))
}
