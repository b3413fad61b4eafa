// Command luatest holds the Lua that stepgate gives to Argo CD to its test cases, with Argo CD's own code:
//
//	helm template stepgate charts/stepgate --set argocd.enabled=true -s templates/argocd-cm.yaml |
//	  luatest charts/stepgate/files/argocd
//
// The folder is laid out as Argo CD's resource_customizations, and its health_test.yaml and action_test.yaml are of
// that form. Every case runs in two ways, because they differ: as the application controller and the API server run the
// scripts of the argocd-cm on standard input (few Lua libraries), and as Argo CD's own tests run the files (all of them).
// A file in testdata that no health case names is an error too. Exit 1 on any difference.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	jsonpatch "github.com/evanphx/json-patch"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/common"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
)

// checkRequestedAt is the annotation whose value is the time of the action.
const checkRequestedAt = "stepgate.dev/check-requested-at"

type healthTests struct {
	Tests []struct {
		InputPath    string              `json:"inputPath"`
		HealthStatus health.HealthStatus `json:"healthStatus"`
	} `json:"tests"`
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                 `json:"inputPath"`
		Result    []appv1.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// suite counts the cases and tells of those that fail.
type suite struct {
	overrides    map[string]appv1.ResourceOverride
	cases, wrong int
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: luatest FOLDER < argocd-cm.yaml")
		os.Exit(64)
	}
	suite := &suite{}
	if err := suite.run(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "luatest:", err)
		os.Exit(1)
	}
	fmt.Printf("luatest: %d cases, %d wrong\n", suite.cases, suite.wrong)
	if suite.wrong > 0 {
		os.Exit(1)
	}
}

func (s *suite) run(root string, argocdCM io.Reader) error {
	overrides, err := resourceOverrides(argocdCM)
	if err != nil {
		return err
	}
	s.overrides = overrides
	err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Base(path) {
		case "health_test.yaml":
			return s.health(filepath.Dir(path))
		case "action_test.yaml":
			return s.actions(filepath.Dir(path))
		}
		return nil
	})
	if err == nil && s.cases == 0 {
		return fmt.Errorf("%s has no case", root)
	}
	return err
}

// resourceOverrides reads the customizations of an argocd-cm as Argo CD does.
func resourceOverrides(argocdCM io.Reader) (map[string]appv1.ResourceOverride, error) {
	logrus.SetLevel(logrus.WarnLevel)
	data, err := io.ReadAll(argocdCM)
	if err != nil {
		return nil, err
	}
	configMap, secret := &corev1.ConfigMap{}, &corev1.Secret{}
	if err := yaml.UnmarshalStrict(data, configMap); err != nil {
		return nil, fmt.Errorf("standard input is no ConfigMap: %w", err)
	}
	if len(configMap.Data) == 0 {
		return nil, fmt.Errorf("the ConfigMap on standard input has no data")
	}
	configMap.Name, secret.Name = common.ArgoCDConfigMapName, common.ArgoCDSecretName
	for _, object := range []metav1.Object{configMap, secret} {
		object.SetNamespace("argocd")
		object.SetLabels(map[string]string{"app.kubernetes.io/part-of": "argocd"})
	}
	ctx := context.Background()
	return settings.NewSettingsManager(ctx, fake.NewClientset(configMap, secret), "argocd").GetResourceOverrides()
}

func (s *suite) health(dir string) error {
	var tests healthTests
	if err := read(filepath.Join(dir, "health_test.yaml"), &tests); err != nil {
		return err
	}
	script, err := os.ReadFile(filepath.Join(dir, "health.lua"))
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, test := range tests.Tests {
		path := filepath.Join(dir, test.InputPath)
		named[path] = true
		object, err := readObject(path)
		if err != nil {
			return err
		}
		want := test.HealthStatus
		got, err := lua.VM{UseOpenLibs: true}.ExecuteHealthLua(object, string(script))
		s.compare(path, "Argo CD's test", want, got, err)
		if object.GetDeletionTimestamp() != nil {
			want = health.HealthStatus{Status: health.HealthStatusProgressing, Message: "Pending deletion"}
		}
		got, err = health.GetResourceHealth(object, lua.ResourceHealthOverrides(s.overrides))
		s.compare(path, "the controller", want, got, err)
	}
	return filepath.WalkDir(filepath.Join(dir, "testdata"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !named[path] {
			s.fail(path, "no case of health_test.yaml names it")
		}
		return err
	})
}

func (s *suite) actions(dir string) error {
	var tests actionTests
	if err := read(filepath.Join(dir, "action_test.yaml"), &tests); err != nil {
		return err
	}
	controller := lua.VM{ResourceOverrides: s.overrides}
	for _, test := range tests.DiscoveryTests {
		path := filepath.Join(dir, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		script, err := os.ReadFile(filepath.Join(dir, "discovery.lua"))
		if err != nil {
			return err
		}
		got, err := lua.VM{UseOpenLibs: true}.ExecuteResourceActionDiscovery(object, []string{string(script)})
		s.compare(path+" discovery", "Argo CD's test", sorted(test.Result), sorted(got), err)
		scripts, err := controller.GetResourceActionDiscovery(object)
		if err == nil {
			got, err = controller.ExecuteResourceActionDiscovery(object, scripts)
		}
		s.compare(path+" discovery", "the API server", sorted(test.Result), sorted(got), err)
	}
	for _, test := range tests.ActionTests {
		path := filepath.Join(dir, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		expected, err := readObject(filepath.Join(dir, test.ExpectedOutputPath))
		if err != nil {
			return err
		}
		script, err := os.ReadFile(filepath.Join(dir, test.Action, "action.lua"))
		if err != nil {
			return err
		}
		s.action(path+" "+test.Action, "Argo CD's test", lua.VM{}, object, string(script), expected)
		definition, err := controller.GetResourceAction(object, test.Action)
		if err != nil {
			s.fail(path, err.Error())
			continue
		}
		s.action(path+" "+test.Action, "the API server", controller, object, definition.ActionLua, expected)
	}
	return nil
}

// action compares what comes out, and the patch that the API server would send: it may touch annotations alone.
func (s *suite) action(name, way string, vm lua.VM, object *unstructured.Unstructured, script string, want *unstructured.Unstructured) {
	impacted, err := vm.ExecuteResourceAction(object, script, nil)
	if err == nil && len(impacted) != 1 {
		err = fmt.Errorf("%d objects come out", len(impacted))
	}
	if err != nil {
		s.compare(name, way, nil, nil, err)
		return
	}
	got := impacted[0].UnstructuredObj
	annotations := got.GetAnnotations()
	if at, found := annotations[checkRequestedAt]; found && at != object.GetAnnotations()[checkRequestedAt] {
		if at, err := time.Parse(time.RFC3339, at); err != nil || time.Since(at).Abs() > time.Minute {
			s.fail(name, fmt.Sprintf("%s is %s, which is not the present", checkRequestedAt, annotations[checkRequestedAt]))
		}
		annotations[checkRequestedAt] = want.GetAnnotations()[checkRequestedAt]
		got.SetAnnotations(annotations)
	}
	before, after := marshal(object), marshal(got)
	s.compare(name, way, generic(marshal(want)), generic(after), nil)
	patch, err := jsonpatch.CreateMergePatch(before, after)
	if err == nil {
		touched, _ := generic(patch).(map[string]any)
		metadata, _ := touched["metadata"].(map[string]any)
		delete(metadata, "annotations")
		if len(metadata) == 0 {
			delete(touched, "metadata")
		}
		s.compare(name+" patch beside annotations", way, map[string]any{}, touched, nil)
	}
}

func (s *suite) compare(name, way string, want, got any, err error) {
	s.cases++
	if err != nil {
		s.fail(name, way+": "+err.Error())
		return
	}
	if status, is := got.(*health.HealthStatus); is {
		if status == nil {
			s.fail(name, way+": there is no health script for it")
			return
		}
		got = *status
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.fail(name, way+" (-want +got):\n"+diff)
	}
}

func (s *suite) fail(name, what string) {
	s.wrong++
	fmt.Printf("%s: %s\n", name, strings.TrimRight(what, "\n"))
}

func sorted(actions []appv1.ResourceAction) []appv1.ResourceAction {
	actions = slices.Clone(actions)
	slices.SortFunc(actions, func(a, b appv1.ResourceAction) int { return strings.Compare(a.Name, b.Name) })
	return actions
}

func read(path string, into any) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = yaml.UnmarshalStrict(data, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readObject(path string) (*unstructured.Unstructured, error) {
	object := map[string]any{}
	err := read(path, &object)
	return &unstructured.Unstructured{Object: object}, err
}

func marshal(object *unstructured.Unstructured) []byte {
	data, err := json.Marshal(object.Object)
	if err != nil {
		panic(err) // it was read from YAML
	}
	return data
}

func generic(data []byte) any {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		panic(err) // it was just written
	}
	return value
}
