package main

import (
	"encoding/json"
)

// What a probe's template sees. Names of types and of fields, and their order, are part of it: templates print them. JSON's names differ from
// them only by case, which Go doesn't look at.

type TypeMeta struct {
	Kind       string
	APIVersion string
}

type OwnerReference struct {
	APIVersion string
	Kind       string
	Name       string
	UID        string
}

type ObjectMeta struct {
	Name              string
	GenerateName      string
	Namespace         string
	UID               string
	ResourceVersion   string
	Generation        int64
	CreationTimestamp string
	DeletionTimestamp string
	Labels            map[string]string
	Annotations       map[string]string
	OwnerReferences   []OwnerReference
	Finalizers        []string
}

type ParamValue struct {
	Type      string
	StringVal string
	ArrayVal  []string
	ObjectVal map[string]string
}

// UnmarshalJSON reads a text, a list or an object.
func (value *ParamValue) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '[':
		value.Type = "array"
		return json.Unmarshal(data, &value.ArrayVal)
	case '{':
		value.Type = "object"
		return json.Unmarshal(data, &value.ObjectVal)
	}
	value.Type = "string"
	return json.Unmarshal(data, &value.StringVal)
}

type Param struct {
	Name  string
	Value ParamValue
}

type SecretRef struct {
	Kind            string
	Namespace       string
	Name            string
	UID             string
	APIVersion      string
	ResourceVersion string
	FieldPath       string
}

type LocalSecretRef struct {
	Name string
}

type Auth struct {
	Name      string
	SecretRef *SecretRef
	Params    []Param
}

type Spec struct {
	ConnectorClassName string
	Address            string
	AddressExtensions  []Param
	Params             []Param
	Auth               *Auth
	CACertSecretRef    *LocalSecretRef
}

type Condition struct {
	Type               string
	Status             string
	Severity           string
	LastTransitionTime string
	LastProbeTime      string
	Reason             string
	Message            string
}

type Addressable struct {
	Name     string
	URL      string
	Url      string
	CACerts  string
	Audience string
}

type ProxyStatus struct {
	HTTPAddress *Addressable
	HttpAddress *Addressable
}

type APIStatus struct {
	Path string
}

type Status struct {
	ObservedGeneration int64
	Conditions         []Condition
	Annotations        map[string]string
	Proxy              *ProxyStatus
	API                *APIStatus
	Api                *APIStatus
}

type Connector struct {
	TypeMeta
	ObjectMeta
	Metadata ObjectMeta
	Spec     Spec
	Status   Status
}

type Secret struct {
	TypeMeta
	ObjectMeta
	Metadata   ObjectMeta
	Immutable  bool
	Data       map[string][]byte
	StringData map[string]string
	Type       string
}

type Data struct {
	Connector *Connector
	Secret    *Secret
}

func structs(text []byte) (any, error) {
	var data Data
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, err
	}
	if own := data.Connector; own != nil {
		own.ObjectMeta = own.Metadata
		own.Status.Api = own.Status.API
		if proxy := own.Status.Proxy; proxy != nil {
			proxy.HttpAddress = proxy.HTTPAddress
			if proxy.HTTPAddress != nil {
				proxy.HTTPAddress.Url = proxy.HTTPAddress.URL
			}
		}
	}
	if own := data.Secret; own != nil {
		own.ObjectMeta = own.Metadata
		if own.Data == nil && len(own.StringData) > 0 {
			own.Data = map[string][]byte{}
		}
		for key, value := range own.StringData {
			own.Data[key] = []byte(value)
		}
		if own.Data != nil {
			own.StringData = map[string]string{}
		}
		for key, value := range own.Data {
			own.StringData[key] = string(value)
		}
	}
	return data, nil
}
