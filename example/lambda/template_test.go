package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// What the program reads and answers is what the template says of it.
func TestTheTemplateFitsTheProgram(t *testing.T) {
	text, err := os.ReadFile("template.yaml")
	require.NoError(t, err)
	type environment struct {
		Variables map[string]string `yaml:"Variables"`
	}
	var template struct {
		Transform string `yaml:"Transform"`
		Globals   struct {
			Function struct {
				Runtime     string      `yaml:"Runtime"`
				Handler     string      `yaml:"Handler"`
				Layers      []string    `yaml:"Layers"`
				Environment environment `yaml:"Environment"`
			} `yaml:"Function"`
		} `yaml:"Globals"`
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				URL struct {
					AuthType   string `yaml:"AuthType"`
					InvokeMode string `yaml:"InvokeMode"`
				} `yaml:"FunctionUrlConfig"`
				Environment environment `yaml:"Environment"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	require.NoError(t, yaml.Unmarshal(text, &template))
	require.Equal(t, "AWS::Serverless-2016-10-31", template.Transform)
	function := template.Globals.Function
	require.Equal(t, "provided.al2023", function.Runtime)
	require.Equal(t, "bootstrap", function.Handler, "the name that the runtime starts")
	require.Equal(t, []string{"SecretsExtensionArn"}, function.Layers)
	require.Equal(t, map[string]string{"SESSION_SECRET_ID": "SessionKeys"}, function.Environment.Variables)
	require.Equal(t, "AWS::SecretsManager::Secret", template.Resources["SessionKeys"].Type)
	for name, streams := range map[string]bool{"Visits": false, "StreamedVisits": true} {
		resource := template.Resources[name]
		require.Equal(t, "AWS::Serverless::Function", resource.Type, name)
		require.Equal(t, "NONE", resource.Properties.URL.AuthType, name)
		require.Equal(t, streams, resource.Properties.URL.InvokeMode == "RESPONSE_STREAM", name)
		require.Equal(t, streams, resource.Properties.Environment.Variables["RESPONSE"] == "stream", name)
	}
	// A linter knows more, where there is one; Debian has none.
	if lint, err := exec.LookPath("cfn-lint"); err == nil {
		output, err := exec.Command(lint, "--regions", "eu-north-1", "--include-checks", "I", "--", "template.yaml").CombinedOutput()
		require.NoError(t, err, string(output))
	}
}
