// What OPA and cel-go answer: a line in is a case, a line out its answer, as of `connectors eval --cases -`.
//
// With `-time` a case of Rego has `rounds` and `times`, and the answer's result is a list of nanoseconds: how long that many evaluations of
// the prepared query took in each round.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

type question struct {
	ID     json.RawMessage `json:"id"`
	Module string          `json:"module"`
	Query  string          `json:"query"`
	Input  json.RawMessage `json:"input"`
	Rego   string          `json:"rego"`
	Expr   string          `json:"expr"`
	Vars   map[string]any  `json:"vars"`
	Rounds int             `json:"rounds"`
	Times  int             `json:"times"`
}

type answer struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result,omitempty"`
	Error  *string         `json:"error,omitempty"`
}

// prepared compiles a module: of version 1 if it parses as that, else of version 0, unless the case says which.
func prepared(asked question) (rego.PreparedEvalQuery, error) {
	version := ast.RegoV0
	if _, err := ast.ParseModuleWithOpts("m.rego", asked.Module, ast.ParserOptions{RegoVersion: ast.RegoV1}); err == nil {
		version = ast.RegoV1
	}
	switch asked.Rego {
	case "v0":
		version = ast.RegoV0
	case "v1":
		version = ast.RegoV1
	}
	return rego.New(rego.Query(asked.Query), rego.Module("m.rego", asked.Module), rego.SetRegoVersion(version)).PrepareForEval(context.Background())
}

func regoAnswer(asked question, timed bool) (any, error) {
	query, err := prepared(asked)
	if err != nil {
		return nil, err
	}
	var input any = map[string]any{}
	if len(asked.Input) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(asked.Input))
		decoder.UseNumber()
		if err := decoder.Decode(&input); err != nil {
			return nil, err
		}
	}
	if timed {
		took := make([]int64, asked.Rounds)
		for round := range took {
			began := time.Now()
			for range asked.Times {
				if _, err := query.Eval(context.Background(), rego.EvalInput(input)); err != nil {
					return nil, err
				}
			}
			took[round] = time.Since(began).Nanoseconds()
		}
		return took, nil
	}
	results, err := query.Eval(context.Background(), rego.EvalInput(input))
	if err != nil {
		return nil, err
	}
	if len(results) == 0 || len(results[0].Expressions) == 0 {
		return map[string]any{"undefined": true}, nil
	}
	return map[string]any{"result": results[0].Expressions[0].Value}, nil
}

// environments by the names of their variables: making one takes longer than most evaluations.
var environments = map[string]*cel.Env{}

func environment(vars map[string]any) (*cel.Env, error) {
	names := slices.Sorted(maps.Keys(vars))
	key := strings.Join(names, " ")
	if known, found := environments[key]; found {
		return known, nil
	}
	options := []cel.EnvOption{cel.OptionalTypes(), ext.Strings(), ext.Encoders(), ext.Lists(), ext.Math()}
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	made, err := cel.NewEnv(options...)
	if err == nil {
		environments[key] = made
	}
	return made, err
}

func celAnswer(asked question) (any, error) {
	environment, err := environment(asked.Vars)
	if err != nil {
		return nil, err
	}
	compiled, issues := environment.Compile(asked.Expr)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := environment.Program(compiled)
	if err != nil {
		return nil, err
	}
	vars := map[string]any{}
	for name, value := range asked.Vars {
		vars[name] = statusCodes(name, value)
	}
	value, _, err := program.Eval(vars)
	if err != nil {
		return nil, err
	}
	if types.IsError(value) {
		return nil, errors.New(fmt.Sprint(value))
	}
	plain, err := plain(value)
	if err != nil {
		return nil, err
	}
	return map[string]any{"value": plain, "type": value.Type().TypeName()}, nil
}

// statusCodes makes the one number of a response that isn't of its JSON an integer.
func statusCodes(name string, value any) any {
	switch value := value.(type) {
	case float64:
		if name == "statusCode" {
			return int64(value)
		}
	case map[string]any:
		for key := range value {
			value[key] = statusCodes(key, value[key])
		}
	}
	return value
}

// plain makes a value what JSON can say, as `connectors eval --cases` does.
func plain(value ref.Val) (any, error) {
	switch value := value.(type) {
	case types.Double:
		number := float64(value)
		switch {
		case math.IsNaN(number):
			return "NaN", nil
		case math.IsInf(number, 1):
			return "Infinity", nil
		case math.IsInf(number, -1):
			return "-Infinity", nil
		}
		return number, nil
	case types.Duration:
		return seconds(value.Duration), nil
	case types.Timestamp:
		return value.Time.Format(time.RFC3339Nano), nil
	case *types.Type:
		return value.TypeName(), nil
	case types.Null:
		return nil, nil
	case *types.Optional:
		if !value.HasValue() {
			return nil, nil
		}
		return plain(value.GetValue())
	case traits.Mapper:
		entries := map[string]any{}
		for keys := value.Iterator(); keys.HasNext() == types.True; {
			key := keys.Next()
			entry, err := plain(value.Get(key))
			if err != nil {
				return nil, err
			}
			entries[fmt.Sprint(key.Value())] = entry
		}
		return entries, nil
	case traits.Lister:
		items := []any{}
		for all := value.Iterator(); all.HasNext() == types.True; {
			item, err := plain(all.Next())
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	case *types.Err:
		return nil, value
	}
	return value.Value(), nil
}

// seconds writes a duration as protocol buffers do in JSON, without zeros at its end.
func seconds(duration time.Duration) string {
	sign := ""
	if duration < 0 {
		sign = "-"
	}
	whole, rest := duration/time.Second, duration%time.Second
	text := fmt.Sprintf("%s%d.%09d", sign, max(whole, -whole), max(rest, -rest))
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "s"
}

func answered(asked question, timed bool) (result any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			result, err = nil, fmt.Errorf("panic: %v", cause)
		}
	}()
	if asked.Module != "" {
		return regoAnswer(asked, timed)
	}
	return celAnswer(asked)
}

func main() {
	timed := len(os.Args) == 2 && os.Args[1] == "-time"
	lines := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, end := lines.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			var asked question
			result := answer{ID: json.RawMessage("null")}
			err := json.Unmarshal([]byte(line), &asked)
			if err == nil {
				result.ID = asked.ID
				result.Result, err = answered(asked, timed)
			}
			if err != nil {
				text := err.Error()
				result.Result, result.Error = nil, &text
			}
			encoded, err := json.Marshal(result)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			out.Write(append(encoded, '\n'))
			out.Flush()
		}
		if end != nil {
			break
		}
	}
}
